"""Cumulative matching characteristic (CMC), mAP and mINP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from train.errors import TrainError

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Metric = Literal["cosine", "euclidean"]
AveragePrecision = Literal["trapezoid", "rectangle"]
_BLOCK = 1 << 24  # distances at once: about 400 MB with what is derived from them


@dataclass(frozen=True)
class Features:
    """Images as the evaluation sees them.

    Attributes:
        embeddings: (N, D) finite floats, of any length.
        identities: (N,) integers; in a gallery -1 is junk and 0 a distractor.
        cameras: (N,) integers.
    """

    embeddings: FloatArray
    identities: IntArray
    cameras: IntArray

    def __post_init__(self) -> None:
        count = len(self.embeddings)
        if self.embeddings.ndim != 2:
            raise TrainError(f"embeddings must be (N, D), not {self.embeddings.shape}")
        if self.identities.shape != (count,) or self.cameras.shape != (count,):
            raise TrainError(
                f"{count} embeddings need as many identities and cameras, "
                f"not {self.identities.shape} and {self.cameras.shape}"
            )
        if not np.isfinite(self.embeddings).all():
            raise TrainError("embeddings must be finite numbers")


@dataclass(frozen=True)
class Ranking:
    """How well queries found their own identity in other cameras. All rates are in [0, 1].

    Attributes:
        cmc: (K,) share of queries with a hit among the first 1 .. K; ``cmc[0]`` is Rank-1.
        mean_average_precision: mAP.
        mean_inverse_negative_penalty: mINP.
        queries: how many; all of them divide the sums.
        queries_without_match: those whose identity no other camera of the gallery shows; they
            count as failed.
        average_precision: ``trapezoid`` (Market-1501's own) or ``rectangle``.
    """

    cmc: npt.NDArray[np.float64]
    mean_average_precision: float
    mean_inverse_negative_penalty: float
    queries: int
    queries_without_match: int
    average_precision: AveragePrecision


class _Scores(NamedTuple):
    """Of a block of Q queries: hits (Q, K) bool, the others (Q,)."""

    hits: npt.NDArray[np.bool_]
    precision: npt.NDArray[np.float64]
    inverse_penalty: npt.NDArray[np.float64]
    good: npt.NDArray[np.int64]


def evaluate(
    query: Features,
    gallery: Features,
    metric: Metric = "cosine",
    average_precision: AveragePrecision = "trapezoid",
    ranks: int = 50,
    other_cameras: bool = False,
) -> Ranking:
    """Rank the gallery for each query.

    Good is the same identity in another camera. Junk (identity -1, or the same identity in the
    same camera) is skipped, so that the rank does not advance. Equal distances keep the
    gallery's order.

    Args:
        query: what is searched for.
        gallery: where.
        metric: ``cosine`` or ``euclidean``.
        average_precision: ``trapezoid`` or ``rectangle``.
        ranks: how long ``cmc`` is, at most the size of the gallery.
        other_cameras: all images of the query's camera are junk, other identities' too, which
            takes away the distraction that one camera's pictures resemble each other.
    """
    if metric not in ("cosine", "euclidean"):
        raise TrainError(f"metric must be cosine or euclidean, not {metric!r}")
    if average_precision not in ("trapezoid", "rectangle"):
        raise TrainError(
            f"average_precision must be trapezoid or rectangle, not {average_precision!r}"
        )
    if not len(query.embeddings) or not len(gallery.embeddings):
        raise TrainError("neither query nor gallery may be empty")
    if query.embeddings.shape[1] != gallery.embeddings.shape[1]:
        raise TrainError(
            f"query and gallery differ in dimension: {query.embeddings.shape[1]} "
            f"and {gallery.embeddings.shape[1]}"
        )
    ranks = min(ranks, len(gallery.embeddings))
    blocks = [
        _score(distances, query, gallery, rows, average_precision, ranks, other_cameras)
        for rows, distances in _distances(query.embeddings, gallery.embeddings, metric)
    ]
    return Ranking(
        cmc=np.concatenate([block.hits for block in blocks]).mean(axis=0),
        mean_average_precision=float(np.concatenate([b.precision for b in blocks]).mean()),
        mean_inverse_negative_penalty=float(
            np.concatenate([b.inverse_penalty for b in blocks]).mean()
        ),
        queries=len(query.embeddings),
        queries_without_match=int(sum((block.good == 0).sum() for block in blocks)),
        average_precision=average_precision,
    )


def _distances(
    query: FloatArray, gallery: FloatArray, metric: Metric
) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of rows of something that sorts as the distance does."""
    if metric == "cosine":
        query, gallery = _normalised(query), _normalised(gallery)
        offset = np.zeros(1, query.dtype)
    else:
        offset = np.square(gallery).sum(axis=1)  # the query's own square shifts its whole row
    step = max(1, _BLOCK // len(gallery))
    for start in range(0, len(query), step):
        rows = slice(start, min(start + step, len(query)))
        yield rows, offset - 2 * (query[rows] @ gallery.T)


def _normalised(rows: FloatArray) -> FloatArray:
    lengths: FloatArray = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, np.finfo(rows.dtype).tiny)


def _score(
    distances: FloatArray,
    query: Features,
    gallery: Features,
    rows: slice,
    mode: AveragePrecision,
    ranks: int,
    other_cameras: bool,
) -> _Scores:
    order = np.argsort(distances, axis=1, kind="stable")
    same = gallery.identities[order] == query.identities[rows, None]
    here = gallery.cameras[order] == query.cameras[rows, None]
    junk = (gallery.identities[order] == -1) | (here if other_cameras else same & here)
    good = same & ~junk
    count = good.sum(axis=1)
    line, column = np.nonzero(good)  # row by row, best first
    rank = (np.cumsum(~junk, axis=1) - 1)[line, column]  # 0-based, junk skipped
    nth = (np.cumsum(good, axis=1) - 1)[line, column]  # 0-based among the good
    share = (nth + 1) / (rank + 1)
    if mode == "trapezoid":
        before = np.where(rank > 0, nth / np.maximum(rank, 1), 1.0)
        share = (before + share) / 2
    precision = np.bincount(line, share, len(count)) / np.maximum(count, 1)
    first = np.full(len(count), np.iinfo(np.int64).max)
    np.minimum.at(first, line, rank)
    last = np.full(len(count), np.iinfo(np.int64).max)
    ends = nth == count[line] - 1
    last[line[ends]] = rank[ends]
    penalty = np.where(count > 0, count / (last.astype(np.float64) + 1), 0.0)
    hits = first[:, None] <= np.arange(ranks)
    return _Scores(hits, precision, penalty, count)
