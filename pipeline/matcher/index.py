"""Finds the nearest of many embeddings: by looking at all of them, or into a few lists only.

While there are few, `Exact` compares a query with every one. `Lists` sorts them around centres, and
a query looks into the lists whose centres are nearest to it. That decides only who is looked at:
what is found has its exact similarity, and half precision is what the store keeps anyway.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

from pipeline.matcher.growing import GrowingRows
from pipeline.records import FloatArray

Rows = npt.NDArray[np.int64]

RECALL = 0.995  # of the trials, which the number of lists that are looked into must reach

_POINTS = 32  # embeddings behind each centre that is learned, at most
_FEWEST = 8  # embeddings a centre stands for, at least: it must show nobody in particular
_ROUNDS = 6  # of k-means
_SEED = 1
_TRIALS = 256  # embeddings of which the others nearest to them are looked for
_NEAREST = 8  # that must be found; decisions need a few identities to choose from
_LEAST_SHARE = 16  # of so many lists at least one is looked into, also where none is alike
_WAITING = 16_384  # embeddings that are put into their lists together, at most
_CHECKED = 256  # of so many queries one is answered exactly as well
_SPARE = (
    8  # that are found more than asked, since bytes may rank those farthest off in another order
)


class Index(Protocol):
    """Embeddings (D,) by row: 0 to n - 1 without a gap."""

    def __len__(self) -> int: ...

    @property
    def dimension(self) -> int | None:
        """Of the embeddings; None before the first."""

    def append(self, embedding: FloatArray) -> None:
        """A row more, behind all others."""

    def replace(self, row: int, embedding: FloatArray) -> None:
        """Another embedding in a row."""

    def remove(self, row: int) -> None:
        """A row less; the last one takes its place."""

    def rows(self, rows: Sequence[int]) -> FloatArray:
        """Their embeddings (n, D)."""

    def search(self, queries: FloatArray, nearest: int, floor: float) -> tuple[FloatArray, Rows]:
        """The similarities and rows (n, nearest) of those nearest to each query, the nearest
        first. Whatever lies below ``floor`` need not be right.
        """

    @property
    def recall(self) -> float:
        """Share of what it should have found that it did; NaN where nothing was measured yet."""


class Exact:
    """Compares with every one."""

    def __init__(self) -> None:
        self._embeddings = GrowingRows(np.float32)

    def __len__(self) -> int:
        return len(self._embeddings)

    @property
    def dimension(self) -> int | None:
        return self._embeddings.known.shape[1] or None

    @property
    def recall(self) -> float:
        return 1.0

    def append(self, embedding: FloatArray) -> None:
        self._embeddings.append(embedding)

    def replace(self, row: int, embedding: FloatArray) -> None:
        self._embeddings.known[row] = embedding

    def remove(self, row: int) -> None:
        self._embeddings.remove(row)

    def rows(self, rows: Sequence[int]) -> FloatArray:
        return np.asarray(self._embeddings.known[np.asarray(rows, np.int64)], np.float32)

    def search(self, queries: FloatArray, nearest: int, floor: float) -> tuple[FloatArray, Rows]:
        known = np.asarray(self._embeddings.known, np.float32)
        most = min(nearest, len(known))
        return faiss.knn(queries, known, most, metric=faiss.METRIC_INNER_PRODUCT)


class Lists:
    """Looks into the lists whose centres are nearest to the query (an inverted file of FAISS).

    The lists hold a byte a number, which is half as much to read as half precision and enough to
    find by: similarities are wrong by about 0.003. What they find is compared in half precision.
    What changed since the last search is put into its lists together.

    Args:
        centres: (lists, D), as `learn` finds them.
        probes: how many lists a query looks into.
        learned_from: how many embeddings there were when the centres were learned.
    """

    def __init__(self, centres: FloatArray, probes: int, learned_from: int) -> None:
        self._centres, self._probes, self.learned_from = centres, probes, learned_from
        count, dimension = centres.shape
        self._quantizer = faiss.IndexFlatIP(dimension)
        self._quantizer.add(centres)
        self._index = faiss.IndexIVFScalarQuantizer(
            self._quantizer,
            dimension,
            count,
            faiss.ScalarQuantizer.QT_8bit_direct_signed,
            faiss.METRIC_INNER_PRODUCT,
            False,  # no residuals: the bytes are the embeddings themselves
        )
        self._index.is_trained = True  # there is nothing to learn
        self._index.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]
        self._embeddings = GrowingRows(np.float16)
        self._changed: set[int] = set()  # rows that are not in their lists as they are now
        self._asked = 0
        self._found = self._there = 0  # of what was checked

    @classmethod
    def learn(
        cls,
        former: Index,
        order: Sequence[int],
        floor: float,
        trials: Callable[[Sequence[int]], FloatArray] | None = None,
    ) -> Lists:
        """Sorts all embeddings of another index anew. The same embeddings in the same order give
        the same lists.

        Args:
            order: its rows in an order that does not depend on how they came there.
            floor: the similarity from which on embeddings must be found.
            trials: what is asked for embeddings like those of rows; None: these themselves.
        """
        rng = np.random.default_rng(_SEED)
        count = len(order)
        number = 2 ** round(math.log2(2 * math.sqrt(count)))
        mixed = [order[i] for i in rng.permutation(count)]
        centres = _centres(former.rows(mixed[: _POINTS * number]), number)
        index = cls(centres, max(1, len(centres) // _LEAST_SHARE), count)
        for first in range(0, count, _WAITING):
            for embedding in former.rows(range(first, min(first + _WAITING, count))):
                index.append(embedding)
        ask = trials or former.rows
        index._choose_probes(ask(mixed[-_TRIALS:]), floor)  # no centre knows these
        return index

    @classmethod
    def of(cls, state: str) -> Lists:
        """Empty, with the centres of another one's ``state``."""
        known = json.loads(state)
        halves = np.frombuffer(base64.b64decode(known["centres"]), "<f2").astype(np.float32)
        centres = halves.reshape(known["lists"], -1)
        return cls(centres, known["probes"], known["learned_from"])

    @property
    def state(self) -> str:
        """The centres, as text for the store."""
        return json.dumps(
            {
                "lists": len(self._centres),
                "probes": self._probes,
                "learned_from": self.learned_from,
                "centres": base64.b64encode(self._centres.astype("<f2").tobytes()).decode(),
            }
        )

    def __len__(self) -> int:
        return len(self._embeddings)

    @property
    def dimension(self) -> int:
        return int(self._centres.shape[1])

    @property
    def recall(self) -> float:
        return self._found / self._there if self._there else math.nan

    def append(self, embedding: FloatArray) -> None:
        self._embeddings.append(embedding)
        self._change(len(self) - 1)

    def replace(self, row: int, embedding: FloatArray) -> None:
        self._embeddings.known[row] = embedding
        self._change(row)

    def remove(self, row: int) -> None:
        self._embeddings.remove(row)
        self._changed |= {row, len(self)}

    def rows(self, rows: Sequence[int]) -> FloatArray:
        return self._embeddings.known[np.asarray(rows, np.int64)].astype(np.float32)

    def search(self, queries: FloatArray, nearest: int, floor: float) -> tuple[FloatArray, Rows]:
        self._sort_in()
        similarities, rows = self._search(queries, nearest)
        self._asked += len(queries)
        if self._asked >= _CHECKED:
            self._asked = 0
            wanted = self._wanted(queries[:1], floor)
            self._there += len(wanted[0])
            self._found += _hits(wanted, rows[:1])
        return similarities, rows

    def _change(self, row: int) -> None:
        self._changed.add(row)
        if len(self._changed) >= _WAITING:
            self._sort_in()

    def _sort_in(self) -> None:
        if not self._changed:
            return
        stale = np.array(sorted(self._changed), np.int64)
        self._index.remove_ids(faiss.IDSelectorArray(stale))
        if len(stale := stale[stale < len(self)]):
            self._index.add_with_ids(_bytes(self._embeddings.known[stale]), stale)
        self._changed.clear()

    def _search(
        self, queries: FloatArray, nearest: int, probes: int | None = None
    ) -> tuple[FloatArray, Rows]:
        """As `search`; where nothing more was found the row is -1, and the similarity -inf."""
        asked = faiss.SearchParametersIVF()
        asked.nprobe = probes or self._probes
        _, rows = self._index.search(_bytes(queries), nearest + _SPARE, params=asked)
        known = self._embeddings.known
        alike = [
            known[near].astype(np.float32) @ own for near, own in zip(rows, queries, strict=True)
        ]
        similarities = np.where(rows >= 0, np.stack(alike), np.float32(-np.inf))
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :nearest]
        return np.take_along_axis(similarities, order, 1), np.take_along_axis(rows, order, 1)

    def _wanted(self, queries: FloatArray, floor: float) -> list[Rows]:
        """The nearest rows at or above the floor, by a look into all lists."""
        similarities, rows = self._search(queries, _NEAREST, len(self._centres))
        return [own[alike >= floor] for own, alike in zip(rows, similarities, strict=True)]

    def _choose_probes(self, trials: FloatArray, floor: float) -> None:
        """As few as the trials are answered well enough with; each finds itself, which is easy."""
        self._sort_in()
        wanted = self._wanted(trials, floor)
        others = sum(map(len, wanted)) - len(trials)
        while True:
            _, rows = self._search(trials, _NEAREST)
            found = _hits(wanted, rows) - len(trials)
            if found >= RECALL * others or self._probes == len(self._centres):
                return
            self._probes = min(len(self._centres), self._probes + max(1, self._probes // 8))


def _bytes(embeddings: npt.NDArray[np.floating]) -> FloatArray:
    """Unit vectors (n, D) in whole numbers of a byte. Queries have to be as well: FAISS rounds them
    where it multiplies bytes.
    """
    return np.asarray(np.rint(127 * embeddings.astype(np.float32)), np.float32)


def _hits(wanted: Sequence[Rows], rows: Rows) -> int:
    """How many of the wanted rows are among those found (n, k)."""
    return sum(int(np.isin(own, got).sum()) for own, got in zip(wanted, rows, strict=True))


def _centres(sample: FloatArray, number: int) -> FloatArray:
    """(at most ``number``, D) by spherical k-means, in half precision as the store keeps them."""
    count, dimension = sample.shape
    means = faiss.Kmeans(
        dimension,
        min(number, count),
        niter=_ROUNDS,
        seed=_SEED,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=_POINTS,
    )
    means.train(sample)
    _, nearest = means.index.search(sample, 1)
    assert means.centroids is not None
    sizes = np.bincount(nearest[:, 0], minlength=len(means.centroids))
    centres = means.centroids[sizes >= _FEWEST]
    if not len(centres):
        centres = sample.mean(axis=0, keepdims=True)
    return np.asarray(centres.astype(np.float16).astype(np.float32))
