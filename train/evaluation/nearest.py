"""The smallest of a stream of numbers that is too long to keep."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


class Smallest:
    """Keeps the ``count`` smallest numbers that it was given, and at most as many again.

    Attributes:
        bound: what lies above it need not be given.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._parts: list[FloatArray] = []
        self._size = 0
        self.bound = math.inf

    def add(self, values: FloatArray) -> None:
        self._parts.append(values)
        self._size += len(values)
        if self._size > 2 * self._count:
            self._shrink()

    def sorted(self) -> FloatArray:
        """The ``count`` smallest, or all where there were fewer."""
        self._shrink()
        return np.sort(self._parts[0])

    def _shrink(self) -> None:
        values = np.concatenate([*self._parts, np.empty(0)])
        if len(values) > self._count:
            values = np.partition(values, self._count - 1)[: self._count]
            self.bound = float(values.max())
        self._parts, self._size = [values], len(values)
