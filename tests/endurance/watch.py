"""How far the store is with each camera, by the monotonic clock, while everything else breaks."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_QUERY = "SELECT camera, MAX(time), SUM(frames) FROM runs GROUP BY camera"
_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sight:
    """When (monotonic) the store had this many frames of a camera, up to this capture time."""

    at: float
    covered: float
    frames: int


class Watch(threading.Thread):
    """Notes each advance of each camera until `close`."""

    def __init__(self, database: Path) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._sights: defaultdict[str, list[Sight]] = defaultdict(list)
        self._closing = threading.Event()

    def run(self) -> None:
        while not self._closing.wait(_SECONDS):
            with suppress(sqlite3.Error):  # not there yet, or its disk is full
                self._look()

    def close(self) -> None:
        self._closing.set()
        self.join()

    def recovered(self, camera: str, since: float, moment: float) -> float | None:
        """How long after ``since`` (monotonic) the store had frames that were captured after
        ``moment`` (by the camera's clock); None: not yet.
        """
        sights = self._sights[camera]
        before = bisect_right(sights, since, key=lambda sight: sight.at)
        frames = sights[before - 1].frames if before else 0
        for sight in sights[before:]:
            if sight.frames > frames and sight.covered > moment:
                return sight.at - since
        return None

    def pause(self, camera: str, since: float, until: float) -> float:
        """The longest time in between that this camera did not advance, in seconds."""
        moments = [s.at for s in self._sights[camera] if since <= s.at <= until]
        edges = [since, *moments, until]
        return max(b - a for a, b in pairwise(edges))

    def _look(self) -> None:
        uri = f"file:{self._database}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
            rows = database.execute(_QUERY).fetchall()
        now = time.monotonic()
        for camera, covered, frames in rows:
            sights = self._sights[camera]
            if not sights or frames > sights[-1].frames:
                sights.append(Sight(now, covered if covered is not None else -math.inf, frames))
