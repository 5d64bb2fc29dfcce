"""What goes into the store and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path as FilePath

from pipeline.records import (
    Assignment,
    CameraState,
    FloatArray,
    FrameArray,
    Position,
    TimeArray,
    TrackletKey,
    TrackletUpdate,
)


@dataclass(slots=True)
class RunState:
    """How far one run of a camera's worker is committed.

    ``number`` is its last message, ``messages`` how many came. ``time`` is the capture time it has
    covered (-inf before it said so). From ``closed_at`` (event time) on, its tracklets have ended.
    """

    camera: str
    run: str
    number: int = 0
    messages: int = 0
    updates: int = 0
    time: float = -math.inf
    state: CameraState = CameraState.STARTING
    live: bool = False
    frames: int = 0
    frame: int = 0
    dropped: int = 0
    closed_at: float | None = None

    @property
    def position(self) -> Position:
        return Position(self.run, self.number)


CONFIDENCE = "confidence"  # what `Verdict.reason` has beside the terms of the score


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision with its reason.

    ``assignment`` is ``None`` where the tracklet lost its identity and is undecided again.
    ``reason`` holds the rule, the terms of the score by name (of a newcomer that of the next best,
    where anybody was possible), and `CONFIDENCE` in [0, 1]. ``rival`` is the identity that the
    tracklet nearly had, ``doubt`` in (0, 1] how nearly the decision was another (None: clear
    enough).
    """

    key: TrackletKey
    time: float
    assignment: Assignment | None
    former: int | None
    reason: Mapping[str, float | str]
    rival: int | None = None
    doubt: float | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that was taken on a tracklet at ``time``: see `Verdict`. NaN where there was
    nothing to compare with, or nothing is said of how sure it was.
    """

    time: float
    decision: str
    identity: int | None
    former: int | None
    rule: str
    terms: Mapping[str, float]
    runner_up: float
    confidence: float


@dataclass(slots=True)
class Outcome:
    """What the matcher decided, to be committed with the updates it saw.

    ``tick`` is the event time up to which it has decided (-inf: nothing yet). ``prototypes`` says
    of tracklets whether they stand for their identity in the gallery now, ``closed`` are those it
    is done with, ``retired`` the identities that left the gallery. ``dropped`` says when the last
    was over of those that it has not at hand any more (None: as before). As text, '' where it did
    not change: ``calibration`` is what was learned of the encoder, ``sameness`` how alike one
    person is in each camera, ``whitening`` how embeddings are compared, ``lists`` how the gallery
    is sorted for its search, ``topology`` what was learned of the ground.
    """

    tick: float = -math.inf
    calibration: str = ""
    sameness: str = ""
    dropped: tuple[float, TrackletKey] | None = None
    whitening: str = ""
    lists: str = ""
    topology: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    prototypes: dict[TrackletKey, bool] = field(default_factory=dict)
    closed: list[TrackletKey] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether there is anything in it to write."""
        work = self.verdicts or self.prototypes or self.closed or self.retired
        learned = self.calibration or self.sameness or self.whitening or self.topology
        return bool(work or self.lists or learned or self.dropped)

    @property
    def assignments(self) -> list[Assignment]:
        return [v.assignment for v in self.verdicts if v.assignment is not None]


@dataclass(frozen=True, slots=True)
class Received:
    """An update and the event time from which decisions may use it: never before its ``end``, and
    later than what its camera had said was complete.
    """

    update: TrackletUpdate
    known_at: float


@dataclass(slots=True)
class Batch:
    """All that one transaction writes."""

    updates: Sequence[Received]
    runs: Sequence[RunState]
    outcome: Outcome
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class StoredTracklet:
    """A tracklet as the matcher takes it up again: its decision so far and all its updates.

    ``said`` is whether a person said that it has the identity that it has.
    """

    assignment: Assignment | None
    prototype: bool
    updates: Sequence[Received]
    said: bool = False


@dataclass(frozen=True, slots=True)
class StoredVisit:
    """A tracklet of an identity in the gallery with which the matcher is done."""

    key: TrackletKey
    identity: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Holding:
    """A tracklet of an identity, for the matcher that has to change what it remembers.

    ``prototype`` is its embedding (D,) and the quality of that, where it stands for the identity
    in the gallery. ``said`` as in `StoredTracklet`.
    """

    visit: StoredVisit
    assignment: Assignment
    said: bool
    prototype: tuple[FloatArray, float] | None


@dataclass(frozen=True, slots=True)
class StoredPrototype:
    """The embedding of a closed tracklet that stands for its identity."""

    key: TrackletKey
    identity: int
    quality: float
    embedding: FloatArray


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """One person. ``crop`` is the file of the best picture; ``staff`` and ``watched`` are marks,
    the latter with the reason (None: not watched for).
    """

    identity: int
    name: str | None
    staff: bool
    watched: str | None
    first_seen: float
    last_seen: float
    cameras: tuple[str, ...]
    tracklets: int
    crop: FilePath | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One tracklet of a person. NaN where there was nothing to compare with."""

    key: TrackletKey
    camera: str
    start: float
    end: float
    decision: str
    similarity: float
    runner_up: float
    crop: FilePath | None
    crops: int


@dataclass(frozen=True, slots=True)
class IdentityDetail:
    """One person and all visits, in order of their start."""

    summary: IdentitySummary
    visits: list[Visit]


@dataclass(frozen=True, slots=True)
class TrackRow:
    """The whole path of a tracklet: ``times`` (n,), ``frames`` (n,), ``boxes`` (n, 4) px."""

    key: TrackletKey
    identity: int | None
    decided_at: float | None
    times: TimeArray
    frames: FrameArray
    boxes: FloatArray


class Saying(StrEnum):
    """What a person can say of identities."""

    CONFIRM = "confirm"
    MERGE = "merge"
    SPLIT = "split"
    RENAME = "rename"
    STAFF = "staff"
    WATCH = "watch"
    FORGET = "forget"
    SAME = "same"
    DIFFERENT = "different"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a person said, of ``tracklets`` of ``identity``.

    ``time`` is by the clock. ``other`` is the identity that was merged into it or split off it; of
    an answer about two tracklets (``SAME``, ``DIFFERENT``) likewise, where it moved any.
    ``undone_by`` and ``undoes`` are numbers of changes. ``undoable`` is whether it may still be
    taken back, as far as later changes do not stand in the way.
    """

    number: int
    time: float
    author: str
    kind: Saying
    identity: int
    other: int | None
    tracklets: int
    undoes: int | None
    undone_by: int | None
    undoable: bool


@dataclass(frozen=True, slots=True)
class Link:
    """What a person said of two tracklets: that they show one person, or two. ``change`` is the
    number of having said it.
    """

    change: int
    one: TrackletKey
    other: TrackletKey
    same: bool


@dataclass(frozen=True, slots=True)
class Move:
    """Tracklets that go from one identity to another, which may be new, since a person answered."""

    keys: Sequence[TrackletKey]
    former: int
    identity: int


class Correction(StrEnum):
    """What a person can say of a tracklet."""

    CONFIRM = "confirm"  # it shows the identity that the matcher says
    MERGE = "merge"  # it shows the identity of others too
    SPLIT = "split"  # it does not show the identity of others


@dataclass(frozen=True, slots=True)
class StoredCrop:
    """One of the pictures that are kept of a tracklet.

    ``tracklet`` is its number in the store, ``file`` its place on disk, ``time`` the end of the
    update that brought it, just after it was taken, ``frame`` the last one of that update (0
    where it had none), ``quality`` in [0, 1]. ``identity`` is the matcher's word on the tracklet,
    ``confirmed`` that of the person who confirmed it last.
    """

    key: TrackletKey
    tracklet: int
    file: FilePath
    time: float
    frame: int
    quality: float
    fingerprint: str
    identity: int | None
    confirmed: int | None


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """What the store knows of a camera, over all its runs.

    ``state`` is that of its newest run; ``last_time`` the capture time covered (NaN: none yet).
    """

    camera: str
    runs: int
    frames: int
    dropped: int
    state: CameraState
    last_time: float
    updates: int


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """Counted by query, not remembered.

    ``duplicates`` counts rows that say the same twice (always 0), ``missing`` the messages whose
    numbers, or the updates whose ``seq``, were skipped, whichever shows more. ``undecided`` counts
    the tracklets that have an embedding and no identity.
    """

    updates: int
    tracklets: int
    identities: int
    undecided: int
    duplicates: int
    missing: int
