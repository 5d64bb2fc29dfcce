"""The embeddings that stand for the identities.

A prototype is the embedding of one tracklet, so it can be shown. An identity has at most a few for
each camera: where one more comes, of the two nearest to each other the one of less quality goes,
which keeps different views. How they are searched is `pipeline.matcher.index`'s to say.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.matcher.growing import GrowingRows
from pipeline.matcher.index import Exact, Index, Lists, Rows
from pipeline.matcher.whitening import Asked, Whitening
from pipeline.records import FloatArray, TrackletKey

GROWN = 4  # times as many prototypes as the lists were made of: then they are made anew

_LAST = 8  # that the index found: where one of them is alike enough, others may be
_SLACK = 0.3  # by which the index may hold somebody less alike than the gallery

_NOT_YET = np.full(2, np.nan)  # measured
_BEST_SHARE = 0.75  # of the nearest prototype in an identity's similarity; the next has the rest


class Found(NamedTuple):
    """What a query found: identities that are alike enough, as its camera and theirs are put right,
    the nearest first, and whether there may be others; and the similarities of the nearest
    identities, by their prototypes.
    """

    identities: list[int]
    more: bool
    nearest: dict[int, float]


class Gallery:
    """Prototypes of identities. One owner thread.

    Queries come as `Whitening.ask` makes them. The index holds the embeddings as they came.

    Args:
        per_camera: how many prototypes an identity has for each camera, at most.
        exact_up_to: prototypes up to which every one is compared with a query.
        index: that holds the embeddings and is searched, however many there are; None: one in
            memory, sorted into lists beyond ``exact_up_to``.
    """

    def __init__(
        self, per_camera: int, exact_up_to: float = math.inf, index: Index | None = None
    ) -> None:
        self._per_camera = per_camera
        self._most = exact_up_to if index is None else math.inf
        self._index: Index = index if index is not None else Exact()
        self._keys: list[TrackletKey] = []  # of the rows
        self._owners: list[int] = []  # of the rows
        self._weights: list[float] = []  # of the rows
        self._rows: dict[TrackletKey, int] = {}
        self._by_identity: defaultdict[int, list[TrackletKey]] = defaultdict(list)
        self._whitening = Whitening()
        self._measured = GrowingRows(np.float64)  # see `Whitening.measure`; NaN: not yet

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: TrackletKey) -> bool:
        return key in self._rows

    @property
    def whitening(self) -> Whitening:
        """By which embeddings are compared."""
        return self._whitening

    @whitening.setter
    def whitening(self, whitening: Whitening) -> None:
        self._whitening = whitening
        self._measured.known[:] = np.nan

    @property
    def dimension(self) -> int | None:
        """Of the embeddings; None before the first."""
        return self._index.dimension

    @property
    def recall(self) -> float:
        """Share of the prototypes that a search should have found that it did, as far as that was
        measured; NaN: not yet.
        """
        return self._index.recall

    def restore(self, prototypes: Iterable[tuple[int, TrackletKey, FloatArray, float]]) -> None:
        """Takes ``(identity, key, embedding, quality)`` that were prototypes before."""
        for identity, key, embedding, quality in prototypes:
            self._append(identity, key, embedding, quality)

    def resume_lists(self, state: str) -> None:
        """Before the first prototype: goes on with the lists that `sort_anew` gave."""
        if state and self._most < math.inf:
            self._index = Lists.of(state)
            self._most = GROWN * self._index.learned_from

    def sort_anew(self, floor: float) -> str:
        """Once there are too many for the present way of searching, sorts them into lists.

        Args:
            floor: the similarity from which on prototypes must be found.

        Returns:
            What `resume_lists` takes; empty where nothing had to change.
        """
        if len(self) <= self._most:
            return ""
        order = [self._rows[key] for key in sorted(self._rows)]
        lists = Lists.learn(self._index, order, self._floor(floor), self._trials)
        self._index, self._most = lists, GROWN * len(self)
        self._measured.known[:] = np.nan  # the lists hold half precision
        return lists.state

    def put(
        self, identity: int, key: TrackletKey, embedding: FloatArray, quality: float
    ) -> TrackletKey | None:
        """Adds the tracklet's embedding (D,) to its identity, or renews it.

        Returns:
            The tracklet whose prototype had to go, perhaps this one.
        """
        if key in self._rows:
            row = self._rows[key]
            self._index.replace(row, embedding)
            self._measured.known[row] = np.nan
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
            self._keys[row], self._owners[row] = self._keys[last], self._owners[last]
            self._weights[row] = self._weights[last]
            self._rows[self._keys[row]] = row
        for column in (self._keys, self._owners, self._weights):
            column.pop()
        self._index.remove(row)
        self._measured.remove(row)

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

    def search(self, queries: Asked, nearest: int, floor: float) -> list[Found]:
        """The identities of the ``nearest`` prototypes to each of the queries, as far as their
        similarity is ``floor`` or more.

        Args:
            queries: as the gallery's `Whitening.ask` makes them.
        """
        if not self._keys or not len(queries):
            return [Found([], False, {}) for _ in range(len(queries))]
        most = min(nearest, len(self._keys))
        products, rows = self._index.search(queries.unit, most, self._floor(floor))
        # Where it found less than asked there is -1, for which any row may stand.
        alike, shifts = self._alike(queries, products, np.maximum(rows, 0))
        last = _LAST if self.whitening.known else 1
        found = []
        for own, similar, near in zip(alike, alike + shifts, rows, strict=True):
            within = similar >= floor
            more = most < len(self._keys) and bool(within[-last:].any())
            found.append(
                Found(
                    [i for i, a in self._best(near, similar).items() if a >= floor],
                    more,
                    self._best(near, own),
                )
            )
        return found

    def similarities(
        self, queries: Asked, asking: Sequence[int], identities: Sequence[int]
    ) -> FloatArray:
        """How alike pairs of a query and an identity are, and what is added to it for the cameras:
        (n, 2), -1 and 0 if the identity has no prototype.

        Args:
            queries: as the gallery's `Whitening.ask` makes them.
            asking: (n,) the row of each pair's query.
            identities: (n,) its identity.
        """
        held = {identity: self._by_identity.get(identity, []) for identity in identities}
        rows = [self._rows[key] for keys in held.values() for key in keys]
        if not rows:
            return np.tile(np.array([-1.0, 0.0], np.float32), (len(asking), 1))
        # In double precision it does not show, once rounded, what else was multiplied.
        raw = queries.rows @ self._index.rows(rows).T.astype(np.float64)
        products, shifts = self._alike(queries, raw, np.array(rows))
        sizes = [len(keys) for keys in held.values()]
        firsts = dict(zip(held, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        counts = np.array([len(held[identity]) for identity in identities])
        # Each identity's prototypes side by side, as many as one has at most.
        columns = np.arange(max(sizes))
        places = np.array([firsts[identity] for identity in identities])[:, None] + columns
        there = columns < counts[:, None]
        which = np.asarray(asking)[:, None], np.where(there, places, 0)
        parts = np.stack([products[which], shifts[which]], axis=-1)
        parts[~there] = -1.0, 0.0
        order = np.argsort(-parts.sum(axis=-1), axis=1, kind="stable")
        first = np.arange(len(asking))
        best = parts[first, order[:, 0]]
        second = np.where(counts[:, None] > 1, parts[first, order[:, :2][:, -1]], best)
        return np.asarray(_BEST_SHARE * best + (1 - _BEST_SHARE) * second, np.float32)

    def prototypes(self, identity: int) -> dict[TrackletKey, FloatArray]:
        """Those of an identity (D,), by tracklet."""
        keys = sorted(self._by_identity.get(identity, ()))
        return dict(zip(keys, self._embeddings(keys), strict=True)) if keys else {}

    def _alike(
        self, queries: Asked, products: npt.NDArray[np.floating], rows: Rows
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """How alike queries are to rows of the index, the same (k,) for all queries or (q, k), by
        their products (q, k); and what is added to it for the cameras.
        """
        if not self._whitening.known:
            return products, np.zeros_like(products)
        known = self._measured.known
        new = np.unique(rows[np.isnan(known[rows, 0])]).tolist()
        if new:
            cameras = [self._keys[row].camera for row in new]
            known[new] = self._whitening.measure(self._index.rows(new), cameras)
        return queries.alike(products, np.asarray(known[rows], np.float64))

    def _best(self, rows: Rows, alike: npt.NDArray[np.floating]) -> dict[int, float]:
        """Whose the rows (k,) are, with the best of each, the nearest first; -1 is nobody's."""
        best: dict[int, float] = {}
        for at in np.argsort(-alike, kind="stable").tolist():
            if rows[at] >= 0:
                best.setdefault(self._owners[rows[at]], float(alike[at]))
        return best

    def _floor(self, similarity: float) -> float:
        """For the index: it knows no cameras, so what it finds is only about as alike."""
        return similarity - _SLACK if self.whitening.known else similarity

    def _embeddings(self, keys: Iterable[TrackletKey]) -> FloatArray:
        return self._index.rows([self._rows[key] for key in keys])

    def _append(
        self, identity: int, key: TrackletKey, embedding: FloatArray, quality: float
    ) -> None:
        self._rows[key] = len(self._keys)
        self._keys.append(key)
        self._owners.append(identity)
        self._weights.append(quality)
        self._by_identity[identity].append(key)
        self._index.append(embedding)
        self._measured.append(_NOT_YET)

    def _trials(self, rows: Sequence[int]) -> FloatArray:
        """What tracklets like these prototypes would ask the index for."""
        cameras = [self._keys[row].camera for row in rows]
        whitened = self.whitening.apply(self._index.rows(rows), cameras)
        return self.whitening.ask(whitened, cameras).unit

    def _disown(self, row: int, key: TrackletKey) -> None:
        keys = self._by_identity[self._owners[row]]
        keys.remove(key)
        if not keys:
            del self._by_identity[self._owners[row]]

    def _make_room(self, identity: int, camera: str) -> TrackletKey | None:
        keys = sorted(key for key in self._by_identity[identity] if key.camera == camera)
        if len(keys) <= self._per_camera:
            return None
        embeddings = self._embeddings(keys)
        products = embeddings @ embeddings.T
        np.fill_diagonal(products, -np.inf)
        pair = divmod(int(np.argmax(products)), len(keys))
        out = min((keys[i] for i in pair), key=lambda k: (self._weights[self._rows[k]], k))
        self.remove(out)
        return out
