"""How much it says that two are alike, where many look alike.

Whoever wears a uniform is like everybody who wears it, so that being like one of them says less of
being that one. How crowded it is around somebody is the mean similarity to the few other people
most like them (as in cross-domain similarity local scaling, Conneau et al. 2018, "Word translation
without parallel data"). By as much as that is above what is usual among so many people, others are
nearer than usual. Of two normal distributions of one deviation, of others and of the same person,
the line between them shifts by half as much, and the log-odds change more slowly around it, by the
share by which the two have come closer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pipeline.matcher.scoring import Thresholds

NEAREST = 5  # other people, of whom somebody's surroundings are made

_NEAREST_TO = 0.6  # share of the way from others to the same person, that they can come closer

Floats = npt.NDArray[np.float64]


def nearest_others(
    similarity: Floats, own: npt.NDArray[np.int64], owners: npt.NDArray[np.int64]
) -> Floats:
    """How alike others are to each of n, the nearest first: (n, people), each of them by the one of
    m views that is most alike, and -inf for the own.

    Args:
        similarity: (n, m) to the views.
        own: (n,) the number of each.
        owners: (m,) whose the views are; each number from 0 has one.
    """
    order = np.argsort(owners, kind="stable")
    begins = np.flatnonzero(np.diff(owners[order], prepend=-1))
    best = np.maximum.reduceat(similarity[:, order], begins, axis=1)
    best[np.arange(len(own)), own] = -np.inf
    return np.asarray(-np.sort(-best, axis=1))


class Crowd:
    """The people most like each of n, by their number: of each similarities, the nearest first."""

    def __init__(self, around: Sequence[Mapping[int, float]]) -> None:
        few = NEAREST + 1  # one of them may be the own
        self._numbers = np.full((len(around), few), -1, np.int64)
        self._alike = np.full((len(around), few), -np.inf)
        for row, near in enumerate(around):
            for place, (number, alike) in enumerate(islice(near.items(), few)):
                self._numbers[row, place], self._alike[row, place] = number, alike

    def others(self, rows: Sequence[int], own: Sequence[int]) -> Floats:
        """How alike others than ``own`` are to these rows (m, `NEAREST`), the nearest first, and
        -inf where no more are known.
        """
        same = self._numbers[rows] == np.asarray(own, np.int64)[:, None]
        alike = np.where(same, -np.inf, self._alike[rows])
        return np.asarray(-np.sort(-alike, axis=1)[:, :NEAREST])


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """What is usual on a site.

    Args:
        others: the similarity of two people.
        people: how many there are.
        thresholds: of the decision.
    """

    others: NormalDist
    people: int
    thresholds: Thresholds

    @property
    def usual(self) -> float:
        """How crowded it is around somebody, by and large."""
        everybody_else = max(self.people - 1, NEAREST)
        return self.others.inv_cdf(1 - NEAREST / 2 / everybody_else)

    def crowding(self, nearest: npt.ArrayLike) -> Floats:
        """How crowded it is (...,), from the similarities to other people (..., n), the nearest
        first; where fewer are known, there is nobody else alike.
        """
        found = np.asarray(nearest, np.float64)[..., :NEAREST]
        least = np.maximum(found, self.others.mean)
        missing = NEAREST - found.shape[-1]
        return np.asarray((least.sum(axis=-1) + missing * self.others.mean) / NEAREST)

    def effective(self, similarity: npt.ArrayLike, crowding: npt.ArrayLike) -> Floats:
        """The similarity that would say as much where it is as crowded as usual; never more than
        it is.

        Args:
            crowding: around the two, on average; of the same shape.
        """
        alike, middle = np.asarray(similarity, np.float64), self.thresholds.middle
        apart = max(self.thresholds.accept - self.others.mean, 1e-6)
        closer = np.clip(np.asarray(crowding) - self.usual, 0.0, _NEAREST_TO * apart)
        slower = 1 - closer / apart
        return np.minimum(alike, middle + slower * (alike - middle - closer / 2))
