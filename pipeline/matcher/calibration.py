"""Thresholds from what is certain while the matcher runs.

Two people in view at once in places that exclude each other are others. Which similarities others
reach depends on the encoder (one puts them at 0.5, another at 0.8) and on the people: those in
uniform look alike. The thresholds are quantiles of what was seen of them. What an encoder's file
recommends holds as long as the people of the site are not more alike than those it was made with.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from pipeline.matcher.scoring import Thresholds

_BINS = 400  # of similarity, over [-1, 1]
_MEMORY = 2000.0  # pairs after which old ones begin to fade
_BEFORE = 10.0, 0.55, 0.10  # at first as if so many of this mean and deviation had been seen ...
ENOUGH = 50  # ... until there are so many pairs

OTHERS_ABOVE_ACCEPT = 0.02  # share of the pairs of two people
OTHERS_ABOVE_NEW = 0.10
RAISED_ABOVE_NEW = 0.05  # where the file recommends thresholds
RECOMMENDED_FOR = 1e-4, 1e-2  # shares of the pairs of two people above `accept` and `new`
_MOST_COMMON = 0.8  # mean similarity of two people, should the file's thresholds be others
FEW, MANY = 12, 150  # people; of fewer or more it was not measured
CROWD = 0.2  # bands between the two thresholds, for e times as many people
_MOST_RAISED = 2.0  # bands between the two thresholds, should what is thought certain be wrong


class Calibration:
    """How alike others are, and the thresholds above them.

    Args:
        patience: of the thresholds.
        state: to go on from.
        recommended: below which the thresholds never are, and not far above.
    """

    def __init__(
        self, patience: float, state: str = "", recommended: Thresholds | None = None
    ) -> None:
        self._counts = np.zeros(_BINS)
        self._patience, self._recommended = patience, recommended
        self._found: Thresholds | None = None  # from the counts as they are
        for bin_, number in json.loads(state) if state else ():
            self._counts[bin_] = number

    @property
    def state(self) -> str:
        """As text, to go on from after a restart."""
        return json.dumps([(int(b), float(self._counts[b])) for b in np.flatnonzero(self._counts)])

    @property
    def others(self) -> NormalDist:
        """The similarity of two people who do not look alike in particular: as the file has it, or
        from the lower half of what was seen, which a few in uniform do not change.
        """
        if self._recommended is not None:
            return _others(self._recommended)
        middle, below = self._quantile(0.5), self._quantile(NormalDist().cdf(-1))
        return NormalDist(middle, max(middle - below, 2 / _BINS))

    def learn(self, similarity: float) -> None:
        """From two tracklets of different people."""
        self._found = None
        if self._counts.sum() >= _MEMORY:
            self._counts *= 1 - 1 / _MEMORY
        place = int((similarity + 1) / 2 * _BINS)
        self._counts[min(max(place, 0), _BINS - 1)] += 1

    def begin_anew(self, recommended: Thresholds | None) -> None:
        """Embeddings are compared in another way from now on."""
        self._counts[:] = 0
        self._found, self._recommended = None, recommended

    @property
    def thresholds(self) -> Thresholds:
        """As it stands."""
        if self._found is None:
            known = self._recommended
            self._found = self._learned() if known is None else self._raised(known)
        return self._found

    def among(self, people: int) -> Thresholds:
        """As it stands where so many could be confused: recommended ones rise with the logarithm of
        how many, as the odds that it is one of them fall.
        """
        if self._recommended is None:
            return self.thresholds
        many = math.log(min(max(people, FEW), MANY) / FEW)
        crowd = CROWD * many * (self._recommended.accept - self._recommended.new)
        found = self.thresholds
        return replace(
            found,
            accept=max(found.accept, self._recommended.accept + crowd),
            new=max(found.new, self._recommended.new + crowd),
        )

    def _learned(self) -> Thresholds:
        accept = self._quantile(1 - OTHERS_ABOVE_ACCEPT)
        return Thresholds(accept, self._quantile(1 - OTHERS_ABOVE_NEW), self._patience)

    def _raised(self, recommended: Thresholds) -> Thresholds:
        if self._counts.sum() < ENOUGH:
            return recommended
        most = _MOST_RAISED * (recommended.accept - recommended.new)
        accept, new = (
            min(max(before, self._quantile(1 - share)), before + most)
            for before, share in (
                (recommended.accept, OTHERS_ABOVE_ACCEPT),
                (recommended.new, RAISED_ABOVE_NEW),
            )
        )
        return replace(recommended, accept=accept, new=new)

    def _quantile(self, share: float) -> float:
        left = max(0.0, 1 - self._counts.sum() / ENOUGH)
        below = np.cumsum(self._counts + left * _before())
        edges = np.linspace(-1, 1, _BINS + 1)[1:]
        return float(np.interp(share * below[-1], below, edges))


def centred(recommended: Thresholds) -> Thresholds:
    """Thresholds for embeddings off which their common mean was taken, from those for embeddings as
    they come: the mean similarity of two people, and the square of that mean's length, follows from
    the shares of others above the two, which an encoder's file is written for.
    """
    mean = min(max(_others(recommended).mean, 0.0), _MOST_COMMON)
    accept, new = ((t - mean) / (1 - mean) for t in (recommended.accept, recommended.new))
    return replace(recommended, accept=accept, new=new)


def _others(recommended: Thresholds) -> NormalDist:
    """The similarity of two people, of which `RECOMMENDED_FOR` lie above the thresholds."""
    z_accept, z_new = (NormalDist().inv_cdf(1 - share) for share in RECOMMENDED_FOR)
    deviation = max((recommended.accept - recommended.new) / (z_accept - z_new), 1 / _BINS)
    return NormalDist(recommended.new - z_new * deviation, deviation)


def _before() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    count, mean, deviation = _BEFORE
    middles = (np.arange(_BINS) + 0.5) / _BINS * 2 - 1
    density = np.exp(-(((middles - mean) / deviation) ** 2) / 2)
    return np.asarray(density * (count / density.sum()))
