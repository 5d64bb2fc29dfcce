"""Many rows of numbers that come and go."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class GrowingRows:
    """Rows (D,) of which the last may go, and to which more come without copying all each time."""

    def __init__(self, kind: type[np.floating]) -> None:
        self._rows: npt.NDArray[np.floating] = np.empty((0, 0), kind)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def known(self) -> npt.NDArray[np.floating]:
        """All of them (n, D)."""
        return self._rows[: self._count]

    def append(self, row: npt.NDArray[np.floating]) -> None:
        full = len(self._rows)
        if self._count == full:
            larger = np.empty((max(1024, full + full // 2), len(row)), self._rows.dtype)
            larger[:full] = self._rows if full else 0.0
            self._rows = larger
        self._rows[self._count] = row
        self._count += 1

    def remove(self, row: int) -> None:
        """The last one takes its place."""
        self._count -= 1
        self._rows[row] = self._rows[self._count]
