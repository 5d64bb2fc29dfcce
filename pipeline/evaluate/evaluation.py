"""The answer of a run against the truth, as one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.evaluate.confusion import Confusion, identity_delays
from pipeline.evaluate.scores import Comparison, Scores, compare, score
from pipeline.evaluate.truth import Boxes, Floats, Ints, Truth
from pipeline.records import TrackletKey


class Tracked(Protocol):
    """A tracklet as the store gives it back."""

    @property
    def key(self) -> TrackletKey: ...
    @property
    def identity(self) -> int | None: ...
    @property
    def decided_at(self) -> float | None: ...
    @property
    def times(self) -> npt.NDArray[np.float64]: ...
    @property
    def frames(self) -> npt.NDArray[np.int32]: ...
    @property
    def boxes(self) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class Delay:
    """Seconds from a person's first visible frame in a camera visit to the decision.

    ``median`` and ``p90`` are NaN where no visit was decided; ``undecided`` counts those visits.
    """

    median: float
    p90: float
    visits: int
    undecided: int


@dataclass(frozen=True)
class Evaluation:
    """How well identities fit the people.

    ``identities`` counts the decided ones, ``undecided`` the tracklets without an identity, each
    of which the scores take for an identity of its own. ``merged`` are the identities that hold
    two people or more, ``fragmentation`` counts the identities more than one that the people were
    split into. ``person_of`` names the person who has the most boxes of each identity,
    ``person_of_tracklet`` that of each tracklet; what is on nobody is in neither.
    """

    overall: Scores
    per_camera: dict[str, Scores]
    identities: int
    undecided: int
    merged: tuple[int, ...]
    fragmentation: int
    time_to_identity: Delay
    person_of: dict[int, int]
    person_of_tracklet: dict[TrackletKey, int]

    @property
    def false_merges(self) -> int:
        """How many identities hold two people or more."""
        return len(self.merged)

    @property
    def false_merge_rate(self) -> float:
        """False merges as a share of the identities."""
        return self.false_merges / self.identities if self.identities else 0.0

    def summary(self) -> dict[str, Any]:
        """All of it, flat, as `camtrail evaluate --json` prints it."""
        return {
            **asdict(self.overall),
            "identities": self.identities,
            "undecided": self.undecided,
            "false_merges": self.false_merges,
            "false_merge_rate": self.false_merge_rate,
            "fragmentation": self.fragmentation,
            "time_to_identity": asdict(self.time_to_identity),
            "per_camera": {name: asdict(scores) for name, scores in self.per_camera.items()},
        }


def evaluate(truth: Mapping[str, Truth], tracks: Mapping[str, Sequence[Tracked]]) -> Evaluation:
    """Compares the tracklets of each camera with its truth."""
    rows = [track for camera in truth for track in tracks.get(camera, ())]
    keys, by_tracklet = lay_out(truth, tracks)
    decided_at = np.array(
        [np.nan if t.decided_at is None else t.decided_at for t in rows], np.float64
    )
    identities = {t.key: t.identity for t in rows if t.identity is not None}
    by_identity = named(by_tracklet, keys, identities)
    times = [frame_times(truth[c].people.frames, tracks.get(c, ())) for c in truth]
    confusion = Confusion.of(by_identity)
    return Evaluation(
        overall=score(by_identity),
        per_camera={camera: score(by_identity.only(camera)) for camera in truth},
        identities=len(set(identities.values())),
        undecided=len(rows) - len(identities),
        merged=tuple(i for i in confusion.merged.tolist() if i > 0),
        fragmentation=confusion.fragmentation,
        time_to_identity=_delay(identity_delays(by_tracklet, np.concatenate(times), decided_at)),
        person_of={i: p for i, p in confusion.majority().items() if i > 0},
        person_of_tracklet={keys[n]: p for n, p in Confusion.of(by_tracklet).majority().items()},
    )


def lay_out(
    truth: Mapping[str, Truth], tracks: Mapping[str, Sequence[Tracked]]
) -> tuple[list[TrackletKey], Comparison]:
    """The tracklets beside the truth, whoever they are: those of its predicted ids, from 0."""
    rows = [(camera, track) for camera in truth for track in tracks.get(camera, ())]
    boxes = {
        camera: _boxes([(n, t) for n, (name, t) in enumerate(rows) if name == camera])
        for camera in truth
    }
    return [track.key for _, track in rows], compare(truth, boxes)


def named(
    by_tracklet: Comparison, keys: Sequence[TrackletKey], identities: Mapping[TrackletKey, int]
) -> Comparison:
    """The same with these identities (> 0) for ids; below 0 is a tracklet without one."""
    identity_of = np.array([identities.get(key, -n) for n, key in enumerate(keys, 1)], np.int64)
    predicted = by_tracklet.predicted
    boxes = Boxes(predicted.frames, identity_of[predicted.ids], predicted.boxes)
    return replace(by_tracklet, predicted=boxes)


def _boxes(tracks: Sequence[tuple[int, Tracked]]) -> Boxes:
    """The boxes of one camera's tracklets, with their numbers as ids."""
    if not tracks:
        return Boxes.of([])
    return Boxes(
        np.concatenate([t.frames for _, t in tracks]).astype(np.int64),
        np.repeat([n for n, _ in tracks], [len(t.frames) for _, t in tracks]),
        np.concatenate([t.boxes for _, t in tracks]).astype(np.float64),
    )


def frame_times(frames: Ints, tracks: Sequence[Tracked]) -> Floats:
    """Capture times of ``frames``, from those of the frames in which somebody was tracked."""
    if not tracks:
        return np.zeros(len(frames))
    known, index = np.unique(np.concatenate([t.frames for t in tracks]), return_index=True)
    times = np.concatenate([t.times for t in tracks])[index]
    if len(known) < 2:
        return np.full(len(frames), times[0])
    pace = (times[-1] - times[0]) / (known[-1] - known[0])
    beyond = np.minimum(frames - known[0], 0) + np.maximum(frames - known[-1], 0)
    return np.asarray(np.interp(frames, known, times) + beyond * pace, np.float64)


def _delay(delays: Floats) -> Delay:
    decided = delays[np.isfinite(delays)]
    median, p90 = np.percentile(decided, [50, 90]) if len(decided) else (np.nan, np.nan)
    return Delay(float(median), float(p90), len(delays), len(delays) - len(decided))
