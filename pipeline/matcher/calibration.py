"""Thresholds for an encoder that recommends none, from what is certain while it runs.

Two people in view at once in places that exclude each other are others; the beginning and the rest
of one tracklet are the same. The line between the two kinds depends on the encoder alone: one puts
others at 0.5, another at 0.85.
"""

from __future__ import annotations

import json
import math
from dataclasses import astuple

import numpy as np

from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import FloatArray
from pipeline.spread import Spread, between

# Until samples come: what encoders commonly give, as if a few had been seen.
_SAME_BEFORE = (10, 0.90, 0.05**2)
_OTHER_BEFORE = (10, 0.55, 0.12**2)
# Another camera shows a person less like before than the same camera does.
_OTHER_CAMERA = 2.0
_BAND = 0.15  # of the distance of the two kinds, on either side of the line


class Calibration:
    """The two kinds of similarity, and the thresholds between them."""

    def __init__(self, patience: float, state: str = "") -> None:
        same, other = json.loads(state) if state else (_SAME_BEFORE, _OTHER_BEFORE)
        self._same, self._other = Spread(*same), Spread(*other)
        self._patience = patience

    @property
    def state(self) -> str:
        """As text, to go on from after a restart."""
        return json.dumps([astuple(self._same), astuple(self._other)])

    def learn(self, tracklet: Tracklet, others: list[FloatArray]) -> None:
        """From a tracklet that has ended.

        Args:
            others: embeddings (D,) of those who were in view at the same time elsewhere.
        """
        if tracklet.embedding is None:
            return
        for other in others:
            self._other.add(float(tracklet.embedding @ other))
        similarity = _to_its_beginning(tracklet)
        if not math.isnan(similarity):
            self._same.add(similarity)

    @property
    def thresholds(self) -> Thresholds:
        """As it stands."""
        same = Spread(self._same.count, self._same.mean, self._same.variance * _OTHER_CAMERA**2)
        line = between(same, self._other)
        if math.isnan(line):
            line = (self._same.mean + self._other.mean) / 2
        band = _BAND * max(0.0, self._same.mean - self._other.mean)
        return Thresholds(line + band, line - band, self._patience)


def _to_its_beginning(tracklet: Tracklet) -> float:
    """How alike the rest of a tracklet is to its first crops; NaN where there is too little rest.

    The pooled embedding is the normalised weighted sum of all; with the beginning taken out of it
    in proportion to its weight, the rest remains.
    """
    if tracklet.beginning is None or tracklet.embedding is None:
        return math.nan
    beginning, weight = tracklet.beginning
    if tracklet.quality < 2 * weight:
        return math.nan
    rest = tracklet.quality * tracklet.embedding - weight * beginning
    return float(beginning @ rest) / max(float(np.linalg.norm(rest)), 1e-9)
