"""How long evaluation and re-ranking take, against the bare matrix product of the same size and
against a plain numpy implementation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from reid_models.ranking import rerank
from train.bench.plain import plain_average_precisions, plain_rerank
from train.bench.problem import Problem, market_like
from train.evaluation import Features, evaluate

Array = npt.NDArray[np.floating[Any]]
_BLOCK = 1 << 25  # elements of the product at once, as in the evaluation


@dataclass(frozen=True)
class AgainstProduct:
    """Seconds of the bare matrix product by numpy (Q x G, for re-ranking (Q + G) squared) and of
    all that we do, the product included; their ratio; and our peak of memory beyond the features
    in MB."""

    product: float
    ours: float
    ratio: float
    memory: float


@dataclass(frozen=True)
class AgainstPlain:
    """Seconds of the plain implementation and of ours on a problem of ``queries`` x ``gallery``;
    how many times faster ours is; and the greatest difference between the results, mAP or
    re-ranked distances. Sums in another order let single images change places."""

    queries: int
    gallery: int
    plain: float
    ours: float
    speedup: float
    difference: float


@dataclass(frozen=True)
class Measured:
    """Of a made-up problem in Market-1501's proportions, with embeddings in single precision."""

    queries: int
    gallery: int
    dimension: int
    against_product: AgainstProduct
    against_plain: AgainstPlain


def measure_evaluation(
    queries: int = 3_368,
    gallery: int = 19_732,
    dimension: int = 2_048,
    plain_queries: int = 400,
    repeats: int = 3,
) -> Measured:
    """Of `train.evaluation.evaluate` by cosine; the plain one answers some of the queries.

    Args:
        queries: Q.
        gallery: G.
        dimension: of the embeddings.
        plain_queries: the first so many.
        repeats: product and evaluation take turns; the fastest of each counts.
    """
    problem = market_like(queries, gallery, dimension)
    few = _first(problem.query, plain_queries)
    return Measured(
        queries,
        gallery,
        dimension,
        _against_product(
            problem.query.embeddings,
            problem.gallery.embeddings,
            lambda: evaluate(*problem),
            repeats,
        ),
        _against_plain(
            Problem(few, problem.gallery),
            lambda: plain_average_precisions(few, problem.gallery).mean(keepdims=True),
            lambda: np.array([evaluate(few, problem.gallery).mean_average_precision]),
        ),
    )


def measure_reranking(
    queries: int = 3_368,
    gallery: int = 19_732,
    dimension: int = 2_048,
    plain_gallery: int = 1_500,
    repeats: int = 1,
) -> Measured:
    """Of `reid_models.ranking.rerank`; the plain one, whose matrices are square and dense, runs
    on a smaller problem. The other arguments are those of `measure_evaluation`."""
    query, others = (part.embeddings for part in market_like(queries, gallery, dimension))
    both = np.concatenate([query, others])
    against_product = _against_product(both, both, lambda: rerank(query, others), repeats)
    small = market_like(max(1, queries * plain_gallery // gallery), plain_gallery, dimension)
    few, fewer = (part.embeddings for part in small)
    return Measured(
        queries,
        gallery,
        dimension,
        against_product,
        _against_plain(
            small,
            lambda: plain_rerank(few, fewer, k1=20, k2=6, weight=0.3),
            lambda: rerank(few, fewer),
        ),
    )


def _against_product(
    left: Array, right: Array, ours: Callable[[], object], repeats: int
) -> AgainstProduct:
    product, total = [], []
    for _ in range(repeats):
        product.append(_timed(lambda: _multiply(left, right))[0])
        total.append(_timed(ours)[0])
    with _Memory() as memory:
        ours()
    return AgainstProduct(min(product), min(total), min(total) / min(product), memory.megabytes)


def _against_plain(
    problem: Problem, plain: Callable[[], Array], ours: Callable[[], Array]
) -> AgainstPlain:
    theirs, wanted = _timed(plain)
    own, found = _timed(ours)
    difference = float(np.abs(found - wanted).max())
    sizes = len(problem.query), len(problem.gallery)
    return AgainstPlain(*sizes, theirs, own, theirs / own, difference)


def _multiply(left: Array, right: Array) -> None:
    step = min(len(left), max(1, _BLOCK // len(right)))
    memory = np.empty((step, len(right)), left.dtype)
    for start in range(0, len(left), step):
        rows = left[start : start + step]
        np.matmul(rows, right.T, out=memory[: len(rows)])


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _first(features: Features, count: int) -> Features:
    return Features(*(values[:count] for values in vars(features).values()))


class _Memory:
    """The greatest growth of this process's memory while the block runs, looked at every 2 ms."""

    def __enter__(self) -> _Memory:
        self._process, self._done = psutil.Process(), threading.Event()
        self._start = self._peak = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def megabytes(self) -> float:
        return (self._peak - self._start) / 1e6

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self._peak = max(self._peak, self._process.memory_info().rss)
