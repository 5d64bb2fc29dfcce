"""How far apart the images of one person are, and those of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.evaluation.features import FloatArray
from train.evaluation.measure import Search
from train.evaluation.protocol import seek

_FINE = 6_000  # bins that are counted over all distances that can be, then joined
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """Histograms of the pairs of query and gallery that are not junk.

    Attributes:
        edges: (B + 1,) distances: ``1 - cos``, Euclidean, or what re-ranking gives.
        within: (B,) pairs of one person.
        between: (B,) pairs of two.
    """

    edges: npt.NDArray[np.float64]
    within: Counts
    between: Counts


def measure_spread(search: Search, bins: int = 60) -> Spread:
    """Count every pair, in at most ``bins`` bins from the least distance to the greatest."""
    sought = seek(search.query, search.gallery, search.how.other_cameras)
    greatest = _greatest(search)
    within, between = np.zeros(_FINE, np.int64), np.zeros(_FINE, np.int64)
    for block in search.blocks():
        for row, answers in enumerate(sought.answers[block.rows]):
            distances = block.shift[row] + block.scale[row] * block.keys[row]
            if search.squared:
                distances = np.sqrt(np.maximum(distances, 0))
            places = np.clip((distances * (_FINE / greatest)).astype(np.int64), 0, _FINE - 1)
            good, left_out = (
                np.bincount(places[positions], minlength=_FINE)
                for positions in (answers.good, np.concatenate([answers.junk, sought.junk]))
            )
            within += good
            between += np.bincount(places, minlength=_FINE) - good - left_out
    return _joined(within, between, greatest, bins)


def _greatest(search: Search) -> float:
    """What no distance exceeds, and some may come near to."""
    if search.distances is not None:
        return max(float(search.distances.max()), 1e-9)
    if not search.squared:
        return 2.0
    lengths = [_longest(part.embeddings) for part in (search.query, search.gallery)]
    return max(sum(lengths), 1e-9)


def _longest(rows: FloatArray) -> float:
    return float(np.sqrt(np.vecdot(rows, rows).max()))


def _joined(within: Counts, between: Counts, greatest: float, bins: int) -> Spread:
    """Leave out what is empty on both sides, and join so many bins that ``bins`` suffice."""
    filled = np.flatnonzero(within + between)
    if not len(filled):
        return Spread(np.array([0.0, greatest]), np.zeros(1, np.int64), np.zeros(1, np.int64))
    first = int(filled[0])
    width = -(-(int(filled[-1]) + 1 - first) // bins)
    count = -(-(int(filled[-1]) + 1 - first) // width)
    starts = first + width * np.arange(count)
    edges = np.append(starts, starts[-1] + width) * greatest / _FINE
    return Spread(edges, np.add.reduceat(within, starts), np.add.reduceat(between, starts))
