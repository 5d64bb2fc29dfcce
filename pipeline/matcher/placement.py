"""Whether a camera still hangs where it hung, from where in its picture people come and go, and how
tall they are there.

A person who comes where nobody ever came or went, or who is much taller or smaller there than
people are, is odd. Some are: a track that is lost in the middle of the picture. Where most of the
latest are, the camera was moved. How many come by which door says nothing of it: that changes by
the hour.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from pipeline.records import FloatArray

CELL = 40  # pixels
LATEST = 32  # comings and goings of a camera that are judged together
ODD = 0.65  # share of them that is odd, from which on it was moved
_KNOWN = 48  # comings and goings, before anything is odd
_RARE = 0.03  # share of all, of a cell and those around it, below which it is odd to come there
_MEMORY = 2000  # comings and goings of a camera, after which old ones begin to count less
_TALLER = math.log(1.5)  # than the mean there

State = dict[str, Any]
Cell = tuple[int, int]


class _Camera:
    """``counts`` and ``heights`` are of all but the latest: how many in a cell, and the sum of the
    logarithms of their heights.
    """

    def __init__(self) -> None:
        self.counts: dict[Cell, int] = {}
        self.heights: dict[Cell, float] = {}
        self.latest: deque[tuple[Cell, float, bool]] = deque()

    def add(self, cell: Cell, height: float) -> None:
        self.latest.append((cell, height, self._is_odd(cell, height)))
        if len(self.latest) > LATEST:
            old, tall, _ = self.latest.popleft()
            self._keep(old, tall)

    @property
    def moved(self) -> bool:
        odd = sum(odd for *_, odd in self.latest)
        return len(self.latest) == LATEST and odd >= ODD * LATEST

    def begin_anew(self) -> None:
        """What it was is over; the latest are how it is now."""
        latest = [(cell, height) for cell, height, _ in self.latest]
        self.counts, self.heights = {}, {}
        self.latest.clear()
        for cell, height in latest:
            self._keep(cell, height)

    def _keep(self, cell: Cell, height: float) -> None:
        self.counts[cell] = self.counts.get(cell, 0) + 1
        self.heights[cell] = self.heights.get(cell, 0.0) + height
        if sum(self.counts.values()) >= _MEMORY:
            kept = {c: count // 2 for c, count in self.counts.items() if count > 1}
            self.heights = {c: self.heights[c] * n / self.counts[c] for c, n in kept.items()}
            self.counts = kept

    def _is_odd(self, cell: Cell, height: float) -> bool:
        total = sum(self.counts.values())
        if total < _KNOWN:
            return False
        around = [(cell[0] + x, cell[1] + y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
        here = sum(self.counts.get(c, 0) for c in around)
        if here <= _RARE * total:
            return True
        mean = sum(self.heights.get(c, 0.0) for c in around) / here
        return abs(height - mean) > _TALLER


class Placement:
    """By camera.

    Attributes:
        moved: the cameras that were found to have been moved, and the event time of the last time.
    """

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}
        self.moved: dict[str, float] = {}

    def learn(self, camera: str, box: FloatArray, time: float) -> bool:
        """That somebody came or went; ``box`` (4,) is the first or the last.

        Returns:
            Whether the camera is found to have been moved, by this one.
        """
        own = self._cameras.setdefault(camera, _Camera())
        cell = int(float(box[0] + box[2]) / 2 // CELL), int(float(box[3]) // CELL)
        own.add(cell, round(math.log(max(float(box[3] - box[1]), 1.0)), 3))
        if not own.moved:
            return False
        own.begin_anew()
        self.moved[camera] = time
        return True

    @property
    def state(self) -> State:
        """As plain data, to go on from after a restart."""
        return {
            "moved": self.moved,
            "cameras": {
                name: {
                    "cells": [
                        [*cell, count, own.heights[cell]]
                        for cell, count in sorted(own.counts.items())
                    ],
                    "latest": [[*cell, height, odd] for cell, height, odd in own.latest],
                }
                for name, own in sorted(self._cameras.items())
            },
        }

    @staticmethod
    def of(state: State) -> Placement:
        """The inverse of ``state``."""
        placement = Placement()
        placement.moved = dict(state.get("moved", {}))
        for name, kept in state.get("cameras", {}).items():
            own = placement._cameras[name] = _Camera()
            for x, y, count, heights in kept["cells"]:
                own.counts[x, y], own.heights[x, y] = count, heights
            own.latest = deque(((x, y), height, odd) for x, y, height, odd in kept["latest"])
        return placement
