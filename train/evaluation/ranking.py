"""Cumulative matching characteristic (CMC), mAP, mINP, and the rates of verification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from train.errors import TrainError
from train.evaluation.accelerator import count_ranks_on_device, device_blocks
from train.evaluation.blocks import Metric, distance_blocks, matrix_blocks
from train.evaluation.counting import Found, count_ranks
from train.evaluation.features import Features, FloatArray
from train.evaluation.nearest import Smallest
from train.evaluation.protocol import Answers, seek

AveragePrecision = Literal["trapezoid", "rectangle"]
ONE_IN = (1_000, 10_000)  # false positive rates of the reported operating points


@dataclass(frozen=True)
class OperatingPoint:
    """Where a threshold on the distance puts the decision whether two images show one person.

    Over all pairs of query and gallery that are not junk. The threshold is the largest that lets
    at most the given share of the pairs of two persons pass.

    Attributes:
        false_positive_rate: of the pairs of two persons, at most.
        true_positive_rate: of the pairs of one person; 0 if there is none.
        threshold: pairs nearer than this pass; ``1 - cos``, or the squared Euclidean distance.
    """

    false_positive_rate: float
    true_positive_rate: float
    threshold: float

    @property
    def label(self) -> str:
        """The false positive rate as people write it, 1e-3."""
        mantissa, exponent = f"{self.false_positive_rate:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"


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
        precisions: (Q,) average precision of each query.
        matched: (Q,) False for the queries without match.
        roc: the operating points at false positive rates of 1e-3 and 1e-4.
    """

    cmc: npt.NDArray[np.float64]
    mean_average_precision: float
    mean_inverse_negative_penalty: float
    queries: int
    queries_without_match: int
    average_precision: AveragePrecision
    precisions: npt.NDArray[np.float64]
    matched: npt.NDArray[np.bool_]
    roc: tuple[OperatingPoint, ...]


def evaluate(
    query: Features,
    gallery: Features,
    metric: Metric = "cosine",
    average_precision: AveragePrecision = "trapezoid",
    ranks: int = 50,
    other_cameras: bool = False,
    device: str | None = None,
) -> Ranking:
    """Rank the gallery for each query.

    Good is the same identity in another camera. Junk (identity -1, or the same identity in the
    same camera) is skipped, so that the rank does not advance. Equal distances keep the
    gallery's order. Only the ranks of the good images are found, by counting, in blocks of
    128 MB.

    Args:
        query: what is searched for.
        gallery: where.
        metric: ``cosine`` or ``euclidean``.
        average_precision: ``trapezoid`` or ``rectangle``.
        ranks: how long ``cmc`` is, at most the size of the gallery.
        other_cameras: all images of the query's camera are junk, other identities' too, which
            takes away the distraction that one camera's pictures resemble each other.
        device: of torch, for example ``cuda``; None for numpy on the CPU.

    Raises:
        TrainError: the arguments do not fit each other.
    """
    search = _Search(query, gallery, other_cameras)
    rows, columns = query.embeddings, gallery.embeddings
    if device is None:
        found = (
            count_ranks(block, search.answers(block.rows), search.junk, search.others)
            for block in distance_blocks(rows, columns, metric)
        )
    else:
        found = (
            count_ranks_on_device(block, search.answers(block.rows), search.junk, search.others)
            for block in device_blocks(rows, columns, metric, device)
        )
    return search.ranking(found, average_precision, ranks)


def evaluate_distances(
    distances: FloatArray,
    query: Features,
    gallery: Features,
    average_precision: AveragePrecision = "trapezoid",
    ranks: int = 50,
    other_cameras: bool = False,
) -> Ranking:
    """As `evaluate`, by distances (Q, G) that are known already, for example re-ranked ones."""
    if distances.shape != (len(query), len(gallery)) or not distances.size:
        raise TrainError(
            f"distances of {len(query)} queries and {len(gallery)} images of the gallery are "
            f"needed, not {distances.shape}"
        )
    if not np.isfinite(distances).all():
        raise TrainError("distances must be finite numbers")
    search = _Search(query, gallery, other_cameras)
    found = (
        count_ranks(block, search.answers(block.rows), search.junk, search.others)
        for block in matrix_blocks(distances)
    )
    return search.ranking(found, average_precision, ranks)


class _Search:
    """Whom the queries look for, and what was found."""

    def __init__(self, query: Features, gallery: Features, other_cameras: bool) -> None:
        self._answers, self.junk, self._wrong = seek(query, gallery, other_cameras)
        self._size = len(gallery)
        self.others = Smallest(self._wrong // min(ONE_IN) + 1)

    def answers(self, rows: slice) -> Sequence[Answers]:
        return self._answers[rows]

    def ranking(self, found: Iterable[Found], mode: AveragePrecision, ranks: int) -> Ranking:
        if mode not in ("trapezoid", "rectangle"):
            raise TrainError(f"average_precision must be trapezoid or rectangle, not {mode!r}")
        query, rank, distance = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((rank, query))  # best first, query by query
        query, rank = query[order], rank[order]
        total, wanted = len(self._answers), min(ranks, self._size)
        good = np.bincount(query, minlength=total)
        start = np.cumsum(good) - good
        nth = np.arange(len(query)) - start[query]
        precisions = np.bincount(query, _precision(nth, rank, mode), total) / np.maximum(good, 1)
        matched = good > 0
        first, last = rank[start[matched]], rank[(start + good - 1)[matched]]
        hits = np.bincount(first[first < wanted], minlength=wanted)
        return Ranking(
            cmc=np.cumsum(hits) / total,
            mean_average_precision=float(precisions.mean()),
            mean_inverse_negative_penalty=float((good[matched] / (last + 1)).sum() / total),
            queries=total,
            queries_without_match=int((~matched).sum()),
            average_precision=mode,
            precisions=precisions,
            matched=matched,
            roc=self._operating_points(distance),
        )

    def _operating_points(self, own: npt.NDArray[np.float64]) -> tuple[OperatingPoint, ...]:
        others = self.others.sorted()
        points = []
        for one_in in ONE_IN:
            allowed = self._wrong // one_in
            threshold = float(others[allowed]) if len(others) else float("inf")
            rate = float((own < threshold).mean()) if len(own) else 0.0
            points.append(OperatingPoint(1 / one_in, rate, threshold))
        return tuple(points)


def _precision(
    nth: npt.NDArray[np.int64], rank: npt.NDArray[np.int64], mode: AveragePrecision
) -> npt.NDArray[np.float64]:
    """What each good image adds: it is the ``nth`` of its query, both 0-based."""
    share = (nth + 1) / (rank + 1)
    if mode == "rectangle":
        return share
    before = np.where(rank > 0, nth / np.maximum(rank, 1), 1.0)
    return (before + share) / 2
