"""The dataclasses that flow through the live system.

Time is seconds since the epoch as float, always the time of *capture*. Boxes are
``(x1, y1, x2, y2)`` in pixels of the full frame. Crops are ``uint8`` H x W x 3 BGR.
Embeddings are L2-normalised float32 of shape ``(D,)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
TimeArray = npt.NDArray[np.float64]
FrameArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture.

    ``index`` is 1-based and counts every frame of a file; for a live source it counts the frames
    taken since the worker started.
    """

    camera: str
    index: int
    time: float
    image: Image


@dataclass(frozen=True, slots=True)
class Detections:
    """The persons found in one frame: ``boxes`` (n, 4) float32, ``confidences`` (n,) in [0, 1]."""

    boxes: FloatArray
    confidences: FloatArray

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True)
class Track:
    """One tracked person in one frame: ``box`` (4,) float32, ``track`` >= 1 within its run."""

    track: int
    box: FloatArray
    confidence: float


class TrackletKey(NamedTuple):
    """What names a tracklet: one person in one camera without a break.

    ``run`` is the ULID of the worker's start, ``track`` the tracker's number within that run.
    """

    camera: str
    run: str
    track: int

    def __str__(self) -> str:
        return f"{self.camera}/{self.run}/{self.track}"


@dataclass(frozen=True, slots=True)
class Path:
    """Where a person was: ``times`` (n,) seconds, ``frames`` (n,) 1-based, ``boxes`` (n, 4) px."""

    times: TimeArray
    frames: FrameArray
    boxes: FloatArray

    def __len__(self) -> int:
        return len(self.times)

    @staticmethod
    def of(points: Sequence[tuple[float, int, Sequence[float]]]) -> Path:
        """A path from ``(time, frame, box)`` points in order of time."""
        return Path(
            np.array([p[0] for p in points], np.float64),
            np.array([p[1] for p in points], np.int32),
            np.array([p[2] for p in points], np.float32).reshape(-1, 4),
        )


@dataclass(frozen=True, slots=True)
class TrackletUpdate:
    """What a camera says of one tracklet since its last update.

    ``start``/``end`` is the interval of the *whole* tracklet so far. ``path`` holds only the
    points since the update before. ``embedding`` is pooled over the whole tracklet so far from
    ``crops`` crops of total weight ``quality`` (>= 0); it is ``None`` while no crop was worth
    embedding. ``thumbnail`` is a JPEG of the best crop, where it got better, or of another one,
    now and then, encrypted where there is a key; ``thumbnail_quality`` in [0, 1] is its quality,
    or without one that of the best crop so far. ``ended`` says that no further update follows.
    """

    camera: str
    run: str
    track: int
    seq: int
    start: float
    end: float
    path: Path
    crops: int
    quality: float
    embedding: FloatArray | None
    fingerprint: str
    thumbnail: bytes | None
    thumbnail_quality: float
    ended: bool

    @property
    def key(self) -> TrackletKey:
        return TrackletKey(self.camera, self.run, self.track)


class CameraState(StrEnum):
    """What a camera's progress message says of it, in event time."""

    STARTING = "starting"  # wait for it: frames from `time` on will follow
    RUNNING = "running"  # everything up to `time` has been published
    ENDED = "ended"  # the source is at its end: nothing more follows from this run
    LOST = "lost"  # the camera is away (quarantined, stopped): do not wait for it


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a camera has got; the matcher's watermark is made of these.

    Every update of this camera with ``end <= time`` stands before it in the stream.
    ``live`` says that the source runs on the clock: nobody waits for it longer than the maximum
    lateness of the configuration, while a file is waited for until it ends or is lost.
    ``frames`` counts the frames that this run decoded, ``frame`` is the 1-based number of the last
    one (where a file's next run goes on), ``dropped`` counts the messages that the worker's full
    spool had to drop since the run began. ``source`` tells the file from which it was read from
    any other (see `pipeline.footage`); it is empty where nothing was read, or no file.
    """

    camera: str
    run: str
    time: float
    state: CameraState
    live: bool
    frames: int = 0
    frame: int = 0
    dropped: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message of the tracklet stream.

    ``number`` counts the messages of this ``(camera, run)`` from 1 without gaps; it is what the
    matcher's committed position and the worker's spool speak of.
    """

    number: int
    body: TrackletUpdate | Progress

    @property
    def camera(self) -> str:
        return self.body.camera

    @property
    def run(self) -> str:
        return self.body.run


class Position(NamedTuple):
    """How far a camera's messages are committed; ordered, since runs are ULIDs."""

    run: str
    number: int


class Decision(StrEnum):
    """How a tracklet came to its identity."""

    NEW = "new"
    MATCHED = "matched"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The matcher's word on one tracklet.

    ``similarity`` is the cosine similarity to the identity chosen (NaN for a new one),
    ``runner_up`` that of the next best identity that was possible (NaN where there was none).
    ``time`` is the event time at which it was decided.
    """

    key: TrackletKey
    identity: int
    decision: Decision
    similarity: float
    runner_up: float
    time: float


@dataclass(slots=True)
class CameraHealth:
    """What a worker says of itself in its health hash, as flat strings and numbers."""

    camera: str
    run: str
    pid: int
    state: str
    frames: int = 0
    fps: float = 0.0
    delay: float = 0.0
    tracks: int = 0
    published: int = 0
    spool: int = 0
    dropped: int = 0
    reconnects: int = 0
    message: str = ""
    time: float = field(default=0.0)
