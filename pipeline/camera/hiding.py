"""Whom the pictures of a camera are not to show."""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.records import FloatArray

LINGER = 0.6  # seconds for which a box counts on: a detector misses somebody now and then


class Lately:
    """Everybody who was found in the last moments, whether they are tracked or not."""

    def __init__(self) -> None:
        self._found: deque[tuple[float, FloatArray]] = deque()

    def see(self, time: float, boxes: FloatArray) -> FloatArray:
        """Takes the boxes (n, 4) of the next frame; those that count now (m, 4)."""
        self._found.append((time, boxes))
        while time - self._found[0][0] > LINGER:
            self._found.popleft()
        return np.concatenate([boxes for _, boxes in self._found])
