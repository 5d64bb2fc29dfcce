"""The embeddings that stand for the identities, searched with FAISS.

A prototype is the embedding of one tracklet, so it can be shown. An identity has at most a few for
each camera: where one more comes, of the two nearest to each other the one of less quality goes,
which keeps different views. Rows of the index are overwritten in place and a removed row is filled
by the last one, since removal from a flat FAISS index copies everything behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import faiss
import numpy as np

from pipeline.records import FloatArray, TrackletKey

_BEST_SHARE = 0.75  # of the nearest prototype in an identity's similarity; the next has the rest


class Gallery:
    """Prototypes of identities. One owner thread.

    Args:
        per_camera: how many prototypes an identity has for each camera, at most.
    """

    def __init__(self, per_camera: int) -> None:
        self._per_camera = per_camera
        self._index: faiss.IndexFlatIP | None = None
        self._view = np.empty((0, 0), np.float32)  # the index' own memory
        self._keys: list[TrackletKey] = []  # of the rows
        self._owners: list[int] = []  # of the rows
        self._weights: list[float] = []  # of the rows
        self._rows: dict[TrackletKey, int] = {}
        self._by_identity: defaultdict[int, list[TrackletKey]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: TrackletKey) -> bool:
        return key in self._rows

    @property
    def dimension(self) -> int | None:
        """Of the embeddings; None before the first."""
        return self._index.d if self._index else None

    def restore(self, prototypes: Iterable[tuple[int, TrackletKey, FloatArray, float]]) -> None:
        """Takes ``(identity, key, embedding, quality)`` that were prototypes before."""
        for identity, key, embedding, quality in prototypes:
            self._append(identity, key, embedding, quality)

    def put(
        self, identity: int, key: TrackletKey, embedding: FloatArray, quality: float
    ) -> TrackletKey | None:
        """Adds the tracklet's embedding (D,) to its identity, or renews it.

        Returns:
            The tracklet whose prototype had to go, perhaps this one.
        """
        if key in self._rows:
            row = self._rows[key]
            self._view[row] = embedding
            self._weights[row] = quality
            return None
        self._append(identity, key, embedding, quality)
        return self._make_room(identity, key.camera)

    def remove(self, key: TrackletKey) -> None:
        """Takes out the tracklet's prototype, if it is one."""
        row = self._rows.pop(key, None)
        if row is None:
            return
        self._disown(row, key)
        last = len(self._keys) - 1
        if row != last:
            self._view[row] = self._view[last]
            self._keys[row], self._owners[row] = self._keys[last], self._owners[last]
            self._weights[row] = self._weights[last]
            self._rows[self._keys[row]] = row
        for column in (self._keys, self._owners, self._weights):
            column.pop()
        assert self._index is not None
        self._index.remove_ids(faiss.IDSelectorRange(last, last + 1))
        self._look()

    def give(self, key: TrackletKey, identity: int) -> None:
        """Makes the tracklet's prototype, if it is one, that of another identity."""
        row = self._rows.get(key)
        if row is None:
            return
        self._disown(row, key)
        self._owners[row] = identity
        self._by_identity[identity].append(key)

    def make_room(self, identities: Iterable[int] | None = None) -> list[TrackletKey]:
        """Brings identities (None: all) that were put together, or kept under another bound, down
        to what they may have; the tracklets whose prototypes had to go.
        """
        gone = []
        for identity in list(self._by_identity if identities is None else identities):
            held = Counter(key.camera for key in self._by_identity.get(identity, ()))
            for camera in sorted(camera for camera in held if held[camera] > self._per_camera):
                while (out := self._make_room(identity, camera)) is not None:
                    gone.append(out)
        return gone

    def forget(self, identity: int) -> None:
        """Takes out an identity."""
        for key in list(self._by_identity.get(identity, ())):
            self.remove(key)

    def search(
        self, queries: FloatArray, nearest: int, floor: float
    ) -> list[tuple[list[int], bool]]:
        """The identities of the ``nearest`` prototypes to each of the queries (n, D), the nearest
        first, as far as their similarity is ``floor`` or more; and whether there may be others.
        """
        if self._index is None or not self._keys or not len(queries):
            return [([], False) for _ in queries]
        similarities, rows = self._index.search(queries, min(nearest, len(self._keys)))
        within = (similarities >= floor).sum(axis=1)
        most = nearest if nearest < len(self._keys) else -1
        return [
            (list(dict.fromkeys(self._owners[row] for row in near[:count])), count == most)
            for near, count in zip(rows.tolist(), within.tolist(), strict=True)
        ]

    def similarity(self, identity: int, queries: FloatArray) -> FloatArray:
        """How alike an identity is to each query (n, D): (n,), -1 if it has no prototype."""
        keys = self._by_identity.get(identity)
        if not keys:
            return np.full(len(queries), -1.0, np.float32)
        if len(keys) == 1:
            return np.asarray(queries @ self._view[self._rows[keys[0]]])
        products = queries @ self._view[[self._rows[key] for key in keys]].T
        products.sort(axis=1)
        return np.asarray(_BEST_SHARE * products[:, -1] + (1 - _BEST_SHARE) * products[:, -2])

    def prototypes(self, identity: int) -> dict[TrackletKey, FloatArray]:
        """Those of an identity (D,), by tracklet."""
        keys = sorted(self._by_identity.get(identity, ()))
        return {key: self._view[self._rows[key]].copy() for key in keys}

    def _append(
        self, identity: int, key: TrackletKey, embedding: FloatArray, quality: float
    ) -> None:
        if self._index is None:
            self._index = faiss.IndexFlatIP(len(embedding))
        self._rows[key] = len(self._keys)
        self._keys.append(key)
        self._owners.append(identity)
        self._weights.append(quality)
        self._by_identity[identity].append(key)
        self._index.add(embedding.reshape(1, -1))
        self._look()

    def _disown(self, row: int, key: TrackletKey) -> None:
        keys = self._by_identity[self._owners[row]]
        keys.remove(key)
        if not keys:
            del self._by_identity[self._owners[row]]

    def _make_room(self, identity: int, camera: str) -> TrackletKey | None:
        keys = sorted(key for key in self._by_identity[identity] if key.camera == camera)
        if len(keys) <= self._per_camera:
            return None
        rows = [self._rows[key] for key in keys]
        products = self._view[rows] @ self._view[rows].T
        np.fill_diagonal(products, -np.inf)
        pair = divmod(int(np.argmax(products)), len(keys))
        out = min((keys[i] for i in pair), key=lambda k: (self._weights[self._rows[k]], k))
        self.remove(out)
        return out

    def _look(self) -> None:
        """The index may have moved its memory."""
        index = self._index
        assert index is not None
        n = index.ntotal
        flat = faiss.rev_swig_ptr(index.get_xb(), n * index.d) if n else np.empty(0, np.float32)
        self._view = flat.reshape(n, index.d)
