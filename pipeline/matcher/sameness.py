"""How alike two visits of one person are, by the cameras that saw them.

A camera whose pictures of people are small, dark or blurred gives embeddings that differ from one
moment to the next. The two halves of a tracklet are one person for certain and show by how much;
visits to that camera are then the less like visits elsewhere. Others are on average as alike in any
two cameras, once embeddings are whitened.

Let the similarities of others and those of the same person be normal, of one deviation s and with
means that are D apart. At x above the mean of others the log-odds are D (x - D/2) / s^2 and what is
thought before; they have a given value at x = D/2 + K/D. The thresholds, right for one D, say what
K is. By how much that line lies elsewhere for the D of two cameras is added to their similarities,
so that one pair of thresholds fits all.

Lengths are in deviations of the similarity of two people, which differ with the encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

# Measured on simulated sites (see tests/benchmarks/cameras.py):
ELSEWHERE = 0.5  # visits to two cameras are so much less alike than two halves of one ...
AGAIN = 0.17  # ... two visits to one camera so much more
RECKONED = 4.5  # above others is one person elsewhere, where an encoder's thresholds are right

MOST = 0.7  # that a similarity is shifted by
_OF_SITE = 5.0  # tracklets as which what is reckoned with counts in the mean of the site ...
_OF_CAMERA = 10.0  # ... and that mean in the mean of a camera

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sameness:
    """How alike the two halves of tracklets are.

    Attributes:
        site: mean similarity on the site.
        cameras: that of each camera of which any is known.
        others: the similarity of two people.
    """

    site: float
    cameras: Mapping[str, float]
    others: NormalDist

    @staticmethod
    def learn(halves: Iterable[tuple[str, float]], others: NormalDist) -> Sameness:
        """From ``(camera, similarity)`` of some tracklets."""
        found: dict[str, list[float]] = {}
        for camera, similarity in halves:
            found.setdefault(camera, []).append(similarity)
        before = others.mean + (RECKONED + ELSEWHERE) * others.stdev
        site = _mean([one for own in found.values() for one in own], before, _OF_SITE)
        cameras = {camera: _mean(own, site, _OF_CAMERA) for camera, own in found.items()}
        return Sameness(site, cameras, others)

    def shifts(self, cameras: Sequence[str], middle: float, *, recommended: bool) -> Matrix:
        """What is added to the similarity of embeddings of each two of n cameras (n, n).

        Args:
            middle: of the thresholds.
            recommended: whether the encoder's file has thresholds, which are for people who are as
                alike as is reckoned. Of another encoder nothing is known: cameras are compared
                with each other.
        """
        halves = np.array([self.cameras.get(name, self.site) for name in cameras])
        alike, deviation = (halves[:, None] + halves) / 2, self.others.stdev
        if recommended:
            alike -= ELSEWHERE * deviation
            np.fill_diagonal(alike, halves + AGAIN * deviation)
            usual = self.others.mean + RECKONED * deviation
        else:
            usual = float(np.mean(list(self.cameras.values()) or self.site))
        apart = max(usual - self.others.mean, deviation)
        odds = (middle - self.others.mean - apart / 2) * apart  # K
        here = np.maximum(alike - self.others.mean, apart / 4)
        most = MOST * deviation
        shift = (apart / 2 + odds / apart) - (here / 2 + odds / here)
        return np.asarray(np.clip(shift, -most, most), np.float64)


def _mean(found: Sequence[float], before: float, weight: float) -> float:
    return (sum(found) + weight * before) / (len(found) + weight)
