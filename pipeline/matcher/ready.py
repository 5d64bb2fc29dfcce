"""Prototypes as they are compared, of those asked for lately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.records import FloatArray, TrackletKey

MOST = 20_000  # that are kept, about


class Ready:
    """Embeddings (D,) by tracklet, to be had many at once. One owner thread."""

    def __init__(self) -> None:
        self._places: dict[TrackletKey, int] = {}
        self._used = 0  # places, those of what was dropped among them
        self._rows = np.empty((0, 0), np.float32)

    def __contains__(self, key: TrackletKey) -> bool:
        return key in self._places

    def clear(self) -> None:
        """Keeps nothing."""
        self._places.clear()
        self._used = 0

    def drop(self, key: TrackletKey) -> None:
        """Keeps one no longer, if it does."""
        self._places.pop(key, None)

    def has_room(self, count: int) -> bool:
        """Whether so many more may come before it is cleared."""
        return self._used + count <= MOST

    def put(self, keys: Sequence[TrackletKey], rows: FloatArray) -> None:
        """Keeps those (n, D) of tracklets of which it has none."""
        end = self._used + len(keys)
        if end > len(self._rows):
            larger = np.empty((max(end, min(2 * end, MOST)), rows.shape[1]), np.float32)
            larger[: self._used] = self._rows[: self._used] if self._used else 0.0
            self._rows = larger
        self._rows[self._used : end] = rows
        self._places.update(zip(keys, range(self._used, end), strict=True))
        self._used = end

    def rows(self, keys: Iterable[TrackletKey]) -> FloatArray:
        """Those (n, D) of tracklets that it has."""
        return self._rows[[self._places[key] for key in keys]]
