"""How alike two visits of one person are, by the cameras that saw them.

A camera whose pictures of people are small, dark or blurred gives embeddings that differ from one
moment to the next. The two halves of a tracklet are one person for certain, and show by about how
much; visits to that camera are then the less like visits elsewhere. Others are on average as alike
in any two cameras, once embeddings are whitened.

Let the similarities of others and those of the same person be normal, of one deviation s and with
means that are D apart. At x above the mean of others the log-odds are D (x - D/2) / s^2 and what is
thought before; they have a given value at x = D/2 + K/D. The thresholds, right for one D, say what
K is. By how much that line lies elsewhere for the D of two cameras is added to their similarities,
so that one pair of thresholds fits all.

Lengths are in deviations of the similarity of two people, which differ with the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

# Chosen on simulated sites, near what tests/benchmarks/cameras.py measures there:
ELSEWHERE = 0.5  # visits to two cameras are so much less alike than two halves of one ...
AGAIN = 0.17  # ... two visits to one camera so much more
RECKONED = 4.5  # above others is one person elsewhere, where an encoder's thresholds are right

MOST = 0.7  # that a similarity is shifted by
_OF_SITE = 5.0  # tracklets as which what is reckoned with counts in the mean of the site ...
_OF_CAMERA = 10.0  # ... and that mean in the mean of a camera
_MEMORY = 100.0  # tracklets of a camera after which old ones begin to fade

Matrix = npt.NDArray[np.float64]


class Sameness:
    """How alike the two halves of tracklets are.

    Args:
        state: to go on from.
    """

    def __init__(self, state: str = "") -> None:
        # By camera: how many, and the sum of their similarities.
        self._halves: dict[str, list[float]] = json.loads(state or "{}")

    @property
    def state(self) -> str:
        """As text, to go on from after a restart."""
        return json.dumps(self._halves)

    def learn(self, camera: str, similarity: float) -> None:
        """From the halves of a tracklet."""
        count, total = self._halves.get(camera, [0.0, 0.0])
        fade = 1 - 1 / _MEMORY if count >= _MEMORY else 1.0
        self._halves[camera] = [fade * count + 1, fade * total + similarity]

    def shifts(
        self, cameras: Sequence[str], others: NormalDist, middle: float, *, recommended: bool
    ) -> Matrix:
        """What is added to the similarity of embeddings of each two of n cameras (n, n); '' is any
        camera of which nothing is known.

        Args:
            others: the similarity of two people.
            middle: of the thresholds.
            recommended: whether the encoder's file has thresholds, which are for people who are as
                alike as is reckoned. Of another encoder nothing is known: cameras are compared
                with each other.
        """
        deviation = others.stdev
        reckoned = others.mean + RECKONED * deviation
        site = _mean(self._halves.values(), reckoned + ELSEWHERE * deviation, _OF_SITE)
        means = {name: _mean([own], site, _OF_CAMERA) for name, own in self._halves.items()}
        halves = np.array([means.get(name, site) for name in cameras])
        alike = (halves[:, None] + halves) / 2
        if recommended:
            same = [[one == other != "" for other in cameras] for one in cameras]
            alike += deviation * np.where(same, AGAIN, -ELSEWHERE)
            usual = reckoned
        else:
            usual = float(np.mean(list(means.values()) or site))
        apart = max(usual - others.mean, deviation)
        odds = (middle - others.mean - apart / 2) * apart  # K
        here = np.maximum(alike - others.mean, apart / 4)
        most = MOST * deviation
        shift = (apart / 2 + odds / apart) - (here / 2 + odds / here)
        return np.asarray(np.clip(shift, -most, most), np.float64)


def _mean(found: Iterable[Sequence[float]], before: float, weight: float) -> float:
    counts, totals = zip((weight, weight * before), *found, strict=True)
    return float(sum(totals) / sum(counts))
