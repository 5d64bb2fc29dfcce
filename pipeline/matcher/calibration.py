"""Thresholds for an encoder that recommends none, from what is certain while it runs.

Two people in view at once in places that exclude each other are others. Which similarities others
reach depends on the encoder alone: one puts them at 0.5, another at 0.8. The thresholds are
quantiles of what was seen of them.
"""

from __future__ import annotations

import json

import numpy as np

from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.tracklets import Tracklet

_BINS = 400  # of similarity, over [-1, 1]
_MEMORY = 2000.0  # pairs after which old ones begin to fade
_BEFORE = 10.0, 0.55, 0.10  # at first as if so many of this mean and deviation had been seen ...
_ENOUGH = 50  # ... until there are so many pairs

OTHERS_ABOVE_ACCEPT = 0.02  # share of the pairs of two people
OTHERS_ABOVE_NEW = 0.10


class Calibration:
    """How alike others are, and the thresholds above them."""

    def __init__(self, patience: float, state: str = "") -> None:
        self._counts = np.zeros(_BINS)
        self._patience = patience
        for bin_, number in json.loads(state) if state else ():
            self._counts[bin_] = number

    @property
    def state(self) -> str:
        """As text, to go on from after a restart."""
        return json.dumps([(int(b), float(self._counts[b])) for b in np.flatnonzero(self._counts)])

    def learn(self, one: Tracklet, other: Tracklet) -> None:
        """From two tracklets of different people."""
        if one.embedding is None or other.embedding is None:
            return
        if self._counts.sum() >= _MEMORY:
            self._counts *= 1 - 1 / _MEMORY
        place = int((float(one.embedding @ other.embedding) + 1) / 2 * _BINS)
        self._counts[min(max(place, 0), _BINS - 1)] += 1

    @property
    def thresholds(self) -> Thresholds:
        """As it stands."""
        accept = self._quantile(1 - OTHERS_ABOVE_ACCEPT)
        return Thresholds(accept, self._quantile(1 - OTHERS_ABOVE_NEW), self._patience)

    def _quantile(self, share: float) -> float:
        left = max(0.0, 1 - self._counts.sum() / _ENOUGH)
        below = np.cumsum(self._counts + left * _before())
        edges = np.linspace(-1, 1, _BINS + 1)[1:]
        return float(np.interp(share * below[-1], below, edges))


def _before() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    count, mean, deviation = _BEFORE
    middles = (np.arange(_BINS) + 0.5) / _BINS * 2 - 1
    density = np.exp(-(((middles - mean) / deviation) ** 2) / 2)
    return np.asarray(density * (count / density.sum()))
