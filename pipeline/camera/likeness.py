"""Whether a track still shows the person that it began with, learned while it runs.

At a crossing every tracker sometimes hands a track from one person to another. The crops tell:
after it they are unlike those before. How unlike is too unlike depends on the encoder, so it is
learned from what is certain in this camera: crops that follow each other in one track (the same,
but for the rare exchange) and persons in view at the same time (others).
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.records import FloatArray
from pipeline.spread import Spread, between

ENOUGH = 20  # samples of each kind before anything is said


class Likeness:
    """The similarity below which a crop and its track are two persons.

    Args:
        line: what the encoder's file says of it; None: it is learned.
    """

    def __init__(self, line: float | None = None) -> None:
        self._line = line
        self._same = Spread()
        self._other = Spread()

    def learn_same(self, similarity: float) -> None:
        """Of a crop to its track, however it turns out: exchanges are too rare to matter."""
        self._same.add(similarity)

    def learn_other(self, similarity: float) -> None:
        """Of two persons in view at once."""
        self._other.add(similarity)

    @property
    def threshold(self) -> float:
        """As many standard deviations below the same as above the others; -1: not known yet."""
        if self._line is not None:
            return self._line
        if min(self._same.count, self._other.count) < ENOUGH:
            return -1.0
        line = between(self._same, self._other)
        return -1.0 if math.isnan(line) else line


def turn(similarities: FloatArray, threshold: float) -> int:
    """From which crop on (n,) all are below ``threshold``; n where the last is not."""
    below = np.asarray(similarities) < threshold
    keeps = np.flatnonzero(~below)
    return int(keeps[-1]) + 1 if len(keeps) else 0
