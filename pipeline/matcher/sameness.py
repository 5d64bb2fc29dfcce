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

The thresholds are taken to be right for the site's good cameras. How alike halves are all over a
site says nothing of them: where many wear a uniform, halves are less alike too, since what all of
them have in common is taken off, and no more may be taken for the same person there.

Lengths are in deviations of the similarity of two people, which differ with the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

# Chosen on simulated sites, near what tests/benchmarks/cameras.py measures there:
AGAIN = 0.67  # two visits to one camera are so much more alike than two to different ones
RECKONED = 4.5  # above others is one person elsewhere, where thresholds are right

MOST = 0.7  # that a similarity is shifted by
_GOOD = 0.75  # share of the cameras that see worse than a good one, which may itself be odd
_OF_CAMERA = 10.0  # tracklets as which the mean of the site counts in that of a camera
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

    def shifts(self, cameras: Sequence[str], others: NormalDist, middle: float) -> Matrix:
        """What is added to the similarity of embeddings of each two of n cameras (n, n); '' is any
        camera of which nothing is known.

        Args:
            others: the similarity of two people.
            middle: of the thresholds.
        """
        better = self._better(cameras)
        same = np.array([[one == other != "" for other in cameras] for one in cameras])
        apart = RECKONED * others.stdev
        here = apart + (better[:, None] + better) / 2 + np.where(same, AGAIN * others.stdev, 0.0)
        here = np.maximum(here, apart / 4)
        odds = (middle - others.mean - apart / 2) * apart  # K
        most = MOST * others.stdev
        shift = (apart / 2 + odds / apart) - (here / 2 + odds / here)
        return np.asarray(np.clip(shift, -most, most), np.float64)

    def _better(self, cameras: Sequence[str]) -> Matrix:
        """By how much halves are more alike in these cameras than in a good one of the site."""
        if not self._halves:
            return np.zeros(len(cameras))
        counts, totals = np.array(list(self._halves.values())).T
        site = float(totals.sum() / counts.sum())
        means = (totals + _OF_CAMERA * site) / (counts + _OF_CAMERA)
        known = dict(zip(self._halves, means.tolist(), strict=True))
        good = float(np.quantile(means, _GOOD))
        return np.array([known.get(name, site) - good for name in cameras])
