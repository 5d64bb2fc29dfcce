"""From the boxes of one frame to tracks through many, with a tracker of the package `trackers`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import supervision as sv
from trackers import BoTSORTTracker, ByteTrackTracker, OCSORTTracker, SORTTracker

from pipeline import config
from pipeline.records import Detections, FloatArray, Track

_BUFFER_FPS = 30  # the frame rate in which `trackers` counts its buffer
_BEFORE_CONFIRMED = 3  # frames before its first that a new track may own
_LEAST_IOU = 0.4  # of a box with where its track is expected
_SAME_IOU = 0.3  # at which a box and one of the frame before may be one unconfirmed person


@dataclass(frozen=True, slots=True)
class Point:
    """Where a person was: seconds, frame number, box (4,)."""

    time: float
    frame: int
    box: FloatArray


@dataclass(frozen=True, slots=True)
class Tracking:
    """What a frame told.

    ``earlier`` holds the points of a track from before it was confirmed; ``alive`` the tracks
    that may still go on, seen in this frame or not.
    """

    tracks: list[Track]
    earlier: dict[int, list[Point]]
    alive: frozenset[int]


class PersonTracker:
    """Follows the persons of one camera.

    A tracker confirms a track only at its second or third box; the boxes before it are kept for a
    few frames and then given to it, so that no frame of a path is missing.

    Args:
        options: which tracker, and how long a lost track is kept.
        confidence: the detector's threshold in [0, 1].
        fps: frames a second, nominal; what counts are the times of the frames.
    """

    def __init__(self, options: config.Tracker, confidence: float, fps: float) -> None:
        self._tracker = _build(options, confidence, fps)
        self._known: set[int] = set()
        self._loose: deque[list[Point]] = deque(maxlen=_BEFORE_CONFIRMED)

    def update(self, detections: Detections, time: float, frame: int) -> Tracking:
        """Takes the boxes of the next frame; ``time`` in seconds must grow."""
        found = self._tracker.update(
            sv.Detections(xyxy=detections.boxes, confidence=detections.confidences),
            timestamp=time,
        )
        tracks, earlier, loose = [], {}, []
        for box, confidence, number in zip(
            found.xyxy, _confidences(found), found.tracker_id, strict=True
        ):
            if number < 0:
                loose.append(Point(time, frame, box))
                continue
            track = int(number) + 1
            if track not in self._known:
                self._known.add(track)
                earlier[track] = self._claim(box)
            tracks.append(Track(track, box, float(confidence)))
        self._loose.append(loose)
        alive = frozenset(int(t.tracker_id) + 1 for t in self._tracker.tracks if t.tracker_id >= 0)
        self._known &= alive | {track.track for track in tracks}
        return Tracking(tracks, earlier, alive)

    def _claim(self, box: FloatArray) -> list[Point]:
        """The unconfirmed boxes that lead up to ``box``, taken out of those that are held."""
        chain: list[Point] = []
        for points in reversed(self._loose):
            overlaps = [iou(point.box, box) for point in points]
            if not overlaps or max(overlaps) < _SAME_IOU:
                break
            point = points.pop(int(np.argmax(overlaps)))
            chain.append(point)
            box = point.box
        return chain[::-1]


def iou(a: Sequence[float] | FloatArray, b: Sequence[float] | FloatArray) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return float(common / union)


def _confidences(found: sv.Detections) -> FloatArray:
    return found.confidence if found.confidence is not None else np.empty(0, np.float32)


def _build(options: config.Tracker, confidence: float, fps: float) -> Any:
    """The tracker of that name.

    Where it tells sure boxes, which begin a track, from doubtful ones, which only continue one,
    the line is drawn halfway from the detector's threshold to 1. ByteTrack's own threshold of
    overlap takes nearly any box: at a crossing it hands a track from one person to the other,
    which nothing later mends, while a track that breaks is joined again by the matcher.
    """
    common: dict[str, Any] = {
        "lost_track_buffer": max(1, round(options.lost_seconds * _BUFFER_FPS)),
        "frame_rate": fps,
    }
    sure = confidence + (1 - confidence) / 2
    split: dict[str, Any] = {"high_conf_det_threshold": sure, "track_activation_threshold": sure}
    if options.name == "botsort":  # fixed cameras: no motion of the camera to make up for
        return BoTSORTTracker(
            **common, **split, enable_cmc=False, instant_first_frame_activation=False
        )
    if options.name == "ocsort":
        return OCSORTTracker(**common, high_conf_det_threshold=confidence)
    if options.name == "sort":
        return SORTTracker(**common, track_activation_threshold=confidence)
    return ByteTrackTracker(**common, **split, minimum_iou_threshold=_LEAST_IOU)
