"""Identity scores over any number of cameras: IDF1 and HOTA with identities shared by all.

The frames of different cameras are different frames; an identity is the same in each. IDF1, IDP
and IDR come from the one-to-one assignment of people to identities that makes the most boxes right
over all cameras at once (Ristani et al. 2016). HOTA is the mean over the IoU thresholds 0.05, 0.10
.. 0.95 of sqrt(DetA * AssA), its associations counted over all cameras (Luiten et al. 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array

from pipeline.evaluate.matching import (
    MATCH_IOU,
    Pairs,
    assign,
    overlapping,
    without_ignored,
)
from pipeline.evaluate.truth import Boxes, Floats, Ints, Truth

ALPHAS = np.arange(0.05, 0.99, 0.05)
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Scores:
    """All in [0, 1], but ``people`` and ``identities`` (counted where they have a box)."""

    idf1: float
    idp: float
    idr: float
    hota: float
    deta: float
    assa: float
    people: int
    identities: int


@dataclass(frozen=True)
class Comparison:
    """Truth and prediction of some cameras, laid end to end, and the pairs that overlap."""

    cameras: tuple[str, ...]
    truth: Boxes
    truth_camera: Ints
    predicted: Boxes
    predicted_camera: Ints
    pairs: Pairs

    def only(self, camera: str) -> Comparison:
        """The part of one camera."""
        number = self.cameras.index(camera)
        rows, columns = self.truth_camera == number, self.predicted_camera == number
        inside = self.pairs.keep(rows[self.pairs.truth])
        pairs = Pairs(
            (np.cumsum(rows) - 1)[inside.truth],
            (np.cumsum(columns) - 1)[inside.predicted],
            inside.iou,
        )
        zero = (np.zeros(rows.sum(), np.int64), np.zeros(columns.sum(), np.int64))
        return Comparison(
            (camera,), self.truth.keep(rows), zero[0], self.predicted.keep(columns), zero[1], pairs
        )

    def matched(self) -> Pairs:
        """One-to-one pairs with IoU of at least 0.5, of the largest total IoU."""
        pairs = self.pairs.keep(self.pairs.iou >= MATCH_IOU - _EPSILON)
        return assign(pairs, pairs.iou, self.truth.frames)


def compare(truth: Mapping[str, Truth], predicted: Mapping[str, Boxes]) -> Comparison:
    """Lays the cameras of ``truth`` end to end. A camera without a prediction has no boxes."""
    frame_offset = truth_offset = predicted_offset = 0
    truths: list[Boxes] = []
    predictions: list[Boxes] = []
    pairs: list[Pairs] = []
    for name, camera in truth.items():
        boxes = without_ignored(camera, predicted.get(name, Boxes.of([])))
        pair = overlapping(camera.people, boxes)
        pairs.append(Pairs(pair.truth + truth_offset, pair.predicted + predicted_offset, pair.iou))
        for side, part in ((truths, camera.people), (predictions, boxes)):
            side.append(Boxes(part.frames + frame_offset, part.ids, part.boxes))
        truth_offset += len(camera.people)
        predicted_offset += len(boxes)
        frame_offset += int(max(camera.people.frames.max(initial=0), boxes.frames.max(initial=0)))
    return Comparison(
        tuple(truth),
        _concatenate(truths),
        np.repeat(np.arange(len(truths)), [len(t) for t in truths]),
        _concatenate(predictions),
        np.repeat(np.arange(len(predictions)), [len(p) for p in predictions]),
        Pairs(
            np.concatenate([p.truth for p in pairs]),
            np.concatenate([p.predicted for p in pairs]),
            np.concatenate([p.iou for p in pairs]),
        ),
    )


def idf1(comparison: Comparison) -> float:
    """IDF1 alone, which is quick."""
    _, person = np.unique(comparison.truth.ids, return_inverse=True)
    _, identity = np.unique(comparison.predicted.ids, return_inverse=True)
    right = _true_positives(comparison, person, identity)
    return _ratio(2 * right, len(comparison.truth) + len(comparison.predicted))


def score(comparison: Comparison) -> Scores:
    """IDF1 and HOTA of a comparison."""
    people, person = np.unique(comparison.truth.ids, return_inverse=True)
    identities, identity = np.unique(comparison.predicted.ids, return_inverse=True)
    right = _true_positives(comparison, person, identity)
    boxes = len(comparison.truth) + len(comparison.predicted)
    hota, deta, assa = _hota(comparison, person, identity)
    return Scores(
        idf1=_ratio(2 * right, boxes),
        idp=_ratio(right, len(comparison.predicted)),
        idr=_ratio(right, len(comparison.truth)),
        hota=hota,
        deta=deta,
        assa=assa,
        people=len(people),
        identities=len(identities),
    )


def _true_positives(comparison: Comparison, person: Ints, identity: Ints) -> int:
    """IDTP: the boxes that the best assignment of people to identities makes right."""
    pairs = comparison.pairs.keep(comparison.pairs.iou >= MATCH_IOU - _EPSILON)
    # Two boxes of one identity on one person of a frame are right once.
    once = np.unique(np.stack([pairs.truth, identity[pairs.predicted]]), axis=1)
    if not once.size:
        return 0
    counts = _count(person[once[0]], once[1], person, identity)
    return int(counts[linear_sum_assignment(counts, maximize=True)].sum())


def _hota(comparison: Comparison, person: Ints, identity: Ints) -> tuple[float, float, float]:
    pairs = comparison.pairs
    if not len(pairs):
        return 0.0, 0.0, 0.0
    per_person = np.bincount(person)[:, None]
    per_identity = np.bincount(identity)[None, :]
    rows, columns = person[pairs.truth], identity[pairs.predicted]
    by_truth = np.bincount(pairs.truth, pairs.iou, len(person))
    by_predicted = np.bincount(pairs.predicted, pairs.iou, len(identity))
    shared = pairs.iou / (by_truth[pairs.truth] + by_predicted[pairs.predicted] - pairs.iou)
    together = _count(rows, columns, person, identity, shared)
    alignment = together / (per_person + per_identity - together)
    matched = assign(pairs, alignment[rows, columns] * pairs.iou, comparison.truth.frames)
    rows, columns = person[matched.truth], identity[matched.predicted]
    total = len(person) + len(identity)
    deta, assa = np.zeros(len(ALPHAS)), np.zeros(len(ALPHAS))
    for number, alpha in enumerate(ALPHAS):
        right = matched.iou >= alpha - _EPSILON
        found = int(right.sum())
        counts = _count(rows[right], columns[right], person, identity)
        association = counts / (per_person + per_identity - counts)
        assa[number] = _ratio(float((counts * association).sum()), found)
        deta[number] = _ratio(found, total - found)
    return float(np.sqrt(deta * assa).mean()), float(deta.mean()), float(assa.mean())


def _count(
    rows: Ints, columns: Ints, person: Ints, identity: Ints, weights: Floats | None = None
) -> Floats:
    """Sums of ``weights`` (1 if none) by person and identity: (people, identities)."""
    shape = (int(person.max()) + 1, int(identity.max()) + 1)
    values = np.ones(len(rows)) if weights is None else weights
    return np.asarray(coo_array((values, (rows, columns)), shape).toarray(), np.float64)


def _concatenate(parts: list[Boxes]) -> Boxes:
    return Boxes(
        np.concatenate([p.frames for p in parts]),
        np.concatenate([p.ids for p in parts]),
        np.concatenate([p.boxes for p in parts]),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
