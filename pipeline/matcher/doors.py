"""Where in each picture people come and go, learned from where tracklets begin and end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from pipeline.records import FloatArray

CELL = 40  # pixels
_MEMORY = 2000  # comings and goings of a camera, after which old ones begin to count less
_LEAST = 0.03  # share of a camera's comings and goings, or a door is none

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Door:
    """A part of a picture where people come or go: the box of the feet, in pixels of the full
    frame, and how many came and went there.
    """

    camera: str
    box: tuple[int, int, int, int]
    entries: int
    exits: int


class Doors:
    """Counts by camera and cell of the picture, of where the feet were first and last."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[tuple[int, int], list[int]]] = defaultdict(dict)

    def learn(self, camera: str, box: FloatArray, *, entry: bool) -> None:
        """That somebody came or went: ``box`` (4,) is the first or the last."""
        cells = self._cells[camera]
        column = max(int(float(box[0] + box[2]) / 2 // CELL), 0)
        counts = cells.setdefault((column, max(int(float(box[3]) // CELL), 0)), [0, 0])
        counts[not entry] += 1
        if sum(map(sum, cells.values())) >= _MEMORY:
            for counts in cells.values():
                counts[:] = counts[0] // 2, counts[1] // 2

    def forget(self, camera: str) -> None:
        """Nothing that was seen in this camera holds any more."""
        self._cells.pop(camera, None)

    def doors(self) -> Iterator[Door]:
        """Cells beside each other in which people come or go, the busiest first of a camera."""
        for camera, cells in sorted(self._cells.items()):
            least = _LEAST / 3 * sum(map(sum, cells.values()))
            busy = {cell: counts for cell, counts in cells.items() if sum(counts) >= max(least, 2)}
            doors = [_door(camera, part, cells) for part in _parts(busy)]
            total = sum(door.entries + door.exits for door in doors)
            doors = [d for d in doors if d.entries + d.exits >= _LEAST * total]
            yield from sorted(doors, key=lambda d: (-d.entries - d.exits, d.box))

    @property
    def state(self) -> State:
        """As plain data, to go on from after a restart."""
        return {
            camera: [[*cell, *counts] for cell, counts in sorted(cells.items())]
            for camera, cells in sorted(self._cells.items())
        }

    @staticmethod
    def of(state: State) -> Doors:
        """The inverse of ``state``."""
        doors = Doors()
        for camera, cells in state.items():
            doors._cells[camera] = {(x, y): [come, gone] for x, y, come, gone in cells}
        return doors


def _parts(cells: dict[tuple[int, int], list[int]]) -> list[list[tuple[int, int]]]:
    """The cells in groups of those that touch."""
    if not cells:
        return []
    places = sorted(cells)
    grid = np.zeros(np.max(places, axis=0) + 1, np.bool_)
    grid[tuple(np.transpose(places))] = True
    labels, count = ndimage.label(grid, np.ones((3, 3)))
    return [[p for p in places if labels[p] == number] for number in range(1, count + 1)]


def _door(
    camera: str, part: list[tuple[int, int]], cells: dict[tuple[int, int], list[int]]
) -> Door:
    (left, top), (right, bottom) = np.min(part, axis=0), np.max(part, axis=0)
    box = (left * CELL, top * CELL, (right + 1) * CELL, (bottom + 1) * CELL)
    entries, exits = (sum(cells[cell][kind] for cell in part) for kind in (0, 1))
    return Door(camera, (int(box[0]), int(box[1]), int(box[2]), int(box[3])), entries, exits)
