"""Notices a camera that still sends, but nothing worth looking at."""

from __future__ import annotations

import numpy as np

from pipeline.records import Image

FROZEN_SECONDS = 10.0  # of identical pictures; even a still scene has noise in it
_BLACK_MEAN, _BLACK_DEVIATION = 16.0, 6.0  # on the 0-255 scale
_GRID = 32  # points looked at along each side


class PictureCheck:
    """Looks at a grid of points of each frame of a live camera."""

    def __init__(self) -> None:
        self._last = np.empty(0, np.uint8)
        self._since = 0.0

    def look(self, image: Image, time: float) -> str:
        """``"black"``, ``"frozen"`` or ``""`` for the picture taken at ``time``."""
        height, width = image.shape[:2]
        points = image[:: max(1, height // _GRID), :: max(1, width // _GRID)].copy()
        if not np.array_equal(points, self._last):
            self._last, self._since = points, time
        if points.mean() < _BLACK_MEAN and points.std() < _BLACK_DEVIATION:
            return "black"
        return "frozen" if time - self._since >= FROZEN_SECONDS else ""
