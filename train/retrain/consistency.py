"""How well an encoder tells people apart across cameras, judged by tracklets alone.

Nobody knows who is who across cameras, but two things are certain: the crops of one tracklet show
one person, and two tracklets that overlap in time in one camera show two. So each tracklet is cut
in two halves of time and sent on a *round trip*: from its first half to the nearest tracklet of
another camera, from there to the nearest one that is elsewhere and not the first, and from there
home. Of the people whom its camera saw at the same time, is the second half the nearest? The share
of these people who are farther, over all tracklets and other cameras, is 1 for an encoder that
carries a person's looks from camera to camera, and about 0.5 for one that does not. *Direct* is the
same from the first half to the second, without leaving the camera.

What it does not say: whether the stations are of the same person. Somebody who looks alike serves
as well, and who was never in another camera has no right station at all. It compares two encoders
on the same tracklets; it is no rate of anything that a user sees.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from reid_models import load_encoder
from reid_models.distances import normalise
from train.compare import CONFIDENCE, FORMAT, ROUNDS, Interval, bootstrap, interval
from train.data import Sample
from train.errors import TrainError
from train.evaluation import embed_data
from train.evaluation.embed import Progress
from train.unsupervised.tracklets import Tracklets

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

PROTOCOL = (
    "round trip by way of two other tracklets: share of the people seen at the same time whom a "
    "tracklet's second half is nearer than, at the end of a way that begins with its first half; "
    f"{CONFIDENCE:.0%} intervals from {ROUNDS} bootstrap samples of tracklets"
)
LEAST = 12  # tracklets with somebody beside them, for an interval to mean anything


class Scores(NamedTuple):
    """Of each tracklet that has two crops and somebody beside it, in [0, 1].

    Attributes:
        trip: after the round trip, the mean over the other cameras, (T,).
        direct: without leaving the camera, (T,).
    """

    trip: npt.NDArray[np.float64]
    direct: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Consistent:
    """An encoder's figures."""

    file: str
    fingerprint: str
    trip: Interval
    direct: Interval


@dataclass(frozen=True)
class ConsistencyComparison:
    """Two encoders on the same tracklets.

    Attributes:
        tracklets: that were measured.
        gain: of the round trips, the new one's less the old one's.
        direct_gain: without leaving the camera.
    """

    data: str
    tracklets: int
    old: Consistent
    new: Consistent
    gain: Interval
    direct_gain: Interval
    measure: ClassVar[str] = "consistency"

    @property
    def better(self) -> bool:
        """Across cameras beyond doubt, and not beyond doubt worse within one."""
        return self.gain.low > 0 and not self.direct_gain.high < 0

    @property
    def worse(self) -> bool:
        return self.gain.high < 0 or self.direct_gain.high < 0

    def as_json(self) -> str:
        """What `camtrail encoder promote` asks for."""
        facts = {"format": FORMAT, "measure": self.measure, "protocol": PROTOCOL}
        verdict = {"better": self.better, "worse": self.worse}
        return json.dumps(facts | asdict(self) | verdict, indent=2) + "\n"


def compare_consistency(
    old: Path,
    new: Path,
    samples: Sequence[Sample],
    name: str,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = lambda images: None,
) -> ConsistencyComparison:
    """Measures both on the same tracklets.

    Args:
        old: an encoder file.
        new: another.
        samples: crops that the new one has not learnt from, with tracklets and times.
        name: of the data.
        device: of the encoders.
        seed: of the bootstrap.
        progress: called with the number of images that were embedded since the last call.

    Raises:
        TrainError: too few tracklets have somebody beside them.
        EncoderError: one of the files is no encoder.
    """
    encoders = [load_encoder(path, device) for path in (old, new)]
    before, after = (
        round_trips(embed_data(encoder, samples, progress).embeddings, samples)
        for encoder in encoders
    )
    count = len(before.trip)
    if count < LEAST:
        raise TrainError(
            f"{name}: only {count} of the tracklets to measure on have two crops and somebody "
            f"beside them in the same camera; it needs {LEAST}. Confirm people whom several "
            "cameras saw (`camtrail confirm`), or let the site collect more"
        )
    weights = bootstrap(np.arange(count), seed)
    first, second = (
        Consistent(
            str(path),
            encoder.fingerprint,
            interval(scores.trip, weights),
            interval(scores.direct, weights),
        )
        for path, encoder, scores in zip((old, new), encoders, (before, after), strict=True)
    )
    return ConsistencyComparison(
        name,
        count,
        first,
        second,
        gain=interval(after.trip - before.trip, weights),
        direct_gain=interval(after.direct - before.direct, weights),
    )


def round_trips(embeddings: FloatArray, samples: Sequence[Sample]) -> Scores:
    """The scores of an encoder.

    Args:
        embeddings: (N, D) of the samples.
        samples: with tracklets and times.
    """
    halves = _Halves(embeddings, samples)
    trip, direct = [], []
    for number in range(halves.count):
        beside = halves.beside(number)
        ends = halves.ends(number, beside)
        if not halves.is_cut(number) or not beside or not ends:
            continue
        trip.append(np.mean([halves.ahead(number, beside, halves.whole[end]) for end in ends]))
        direct.append(halves.ahead(number, beside, halves.first[number]))
    return Scores(np.array(trip, np.float64), np.array(direct, np.float64))


class _Halves:
    """The tracklets' mean embeddings, of length 1: of the whole, the first and the second half."""

    def __init__(self, embeddings: FloatArray, samples: Sequence[Sample]) -> None:
        tracklets = Tracklets(samples)
        rows = normalise(embeddings)
        times = np.array([sample.time for sample in samples], np.float64)
        self.count = int(tracklets.of.max()) + 1
        members = [np.flatnonzero(tracklets.of == number) for number in range(self.count)]
        members = [own[np.argsort(times[own], kind="stable")] for own in members]
        self._cut = [len(own) > 1 for own in members]
        self.whole = _means(rows, members)
        self.first = _means(rows, [own[: max(1, len(own) // 2)] for own in members])
        self.second = _means(rows, [own[len(own) // 2 :] for own in members])
        self._camera = np.array([samples[own[0]].camera for own in members])
        self._beside: dict[int, list[int]] = defaultdict(list)
        for one, other in tracklets.apart:
            self._beside[one].append(other)
            self._beside[other].append(one)

    def is_cut(self, number: int) -> bool:
        """Whether a tracklet has two crops at least."""
        return self._cut[number]

    def beside(self, number: int) -> list[int]:
        """The tracklets at the same time in the same camera."""
        return sorted(self._beside[number])

    def ends(self, number: int, beside: Sequence[int]) -> list[int]:
        """Where the round trips end, one by way of each other camera."""
        found = []
        for camera in sorted(set(self._camera.tolist()) - {int(self._camera[number])}):
            there = self._nearest(self.first[number], self._camera == camera)
            elsewhere = self._camera != camera
            elsewhere[[number, *beside]] = False
            if elsewhere.any():
                found.append(self._nearest(self.whole[there], elsewhere))
        return found

    def _nearest(self, row: FloatArray, candidates: npt.NDArray[np.bool_]) -> int:
        return int(np.argmax(np.where(candidates, self.whole @ row, -np.inf)))

    def ahead(self, number: int, beside: Sequence[int], seen_from: FloatArray) -> float:
        """Share of those beside who are farther than the second half; who is as near is half."""
        own = float(self.second[number] @ seen_from)
        theirs = self.second[list(beside)] @ seen_from
        return float(np.mean((theirs < own) + 0.5 * (theirs == own)))


def _means(rows: FloatArray, groups: Sequence[IntArray]) -> FloatArray:
    return normalise(np.stack([rows[group].mean(axis=0) for group in groups]))
