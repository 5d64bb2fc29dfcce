"""Which true and which predicted boxes lie on one another, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from pipeline.evaluate.truth import Boxes, Floats, Ints, Truth

MATCH_IOU = 0.5
_CHUNK = 2_000_000  # candidate pairs at once, which bounds the memory
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Pairs:
    """Overlapping boxes of one frame each: rows of the truth, rows of the prediction, IoU > 0."""

    truth: Ints
    predicted: Ints
    iou: Floats

    def __len__(self) -> int:
        return len(self.iou)

    def keep(self, mask: npt.NDArray[np.bool_] | Ints) -> Pairs:
        return Pairs(self.truth[mask], self.predicted[mask], self.iou[mask])


def overlapping(truth: Boxes, predicted: Boxes) -> Pairs:
    """All pairs of a true and a predicted box of one frame that overlap."""
    order = np.argsort(predicted.frames, kind="stable")
    frames = predicted.frames[order]
    first = np.searchsorted(frames, truth.frames, side="left")
    counts = np.searchsorted(frames, truth.frames, side="right") - first
    parts = []
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(truth):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        rows = np.repeat(np.arange(begin, end), counts[begin:end])
        offsets = np.arange(len(rows)) - np.repeat(
            ends[begin:end] - counts[begin:end] - done, counts[begin:end]
        )
        columns = order[first[rows] + offsets]
        iou = _iou(truth.boxes[rows], predicted.boxes[columns])
        parts.append(Pairs(rows, columns, iou).keep(iou > 0))
        begin = end
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Pairs(
        np.concatenate([p.truth for p in parts]),
        np.concatenate([p.predicted for p in parts]),
        np.concatenate([p.iou for p in parts]),
    )


def assign(pairs: Pairs, score: Floats, frames: Ints) -> Pairs:
    """The one-to-one pairing within each frame of the largest sum of ``score`` (>= 0) (n,).

    ``frames`` holds the frame of each row of the truth.
    """
    alone = (np.bincount(pairs.truth)[pairs.truth] == 1) & (
        np.bincount(pairs.predicted)[pairs.predicted] == 1
    )
    chosen = [np.flatnonzero(alone)]
    rest = np.flatnonzero(~alone)
    rest = rest[np.argsort(frames[pairs.truth[rest]], kind="stable")]
    _, starts = np.unique(frames[pairs.truth[rest]], return_index=True)
    for index in np.split(rest, starts[1:]):
        rows, row = np.unique(pairs.truth[index], return_inverse=True)
        columns, column = np.unique(pairs.predicted[index], return_inverse=True)
        scores = np.zeros((len(rows), len(columns)))
        where = np.full(scores.shape, -1)
        scores[row, column] = score[index]
        where[row, column] = index
        picked = where[linear_sum_assignment(scores, maximize=True)]
        chosen.append(picked[picked >= 0])
    return pairs.keep(np.sort(np.concatenate(chosen)))


def without_ignored(truth: Truth, predicted: Boxes) -> Boxes:
    """``predicted`` less the boxes whose best partner is an ignored region, as in MOTChallenge."""
    if not len(truth.ignored):
        return predicted
    everything = Boxes(
        np.concatenate([truth.people.frames, truth.ignored.frames]),
        np.concatenate([truth.people.ids, truth.ignored.ids]),
        np.concatenate([truth.people.boxes, truth.ignored.boxes]),
    )
    pairs = overlapping(everything, predicted)
    pairs = pairs.keep(pairs.iou >= MATCH_IOU - _EPSILON)
    matched = assign(pairs, pairs.iou, everything.frames)
    keep = np.ones(len(predicted), bool)
    keep[matched.predicted[matched.truth >= len(truth.people)]] = False
    return predicted.keep(keep)


def _iou(a: Floats, b: Floats) -> Floats:
    size = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.prod(np.clip(size, 0, None), axis=1)
    areas = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1)
    return np.asarray(shared / np.maximum(areas - shared, _EPSILON), np.float64)
