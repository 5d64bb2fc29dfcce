"""Which frame of a film a live picture was: cameras do not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.evaluate.scores import compare
from pipeline.evaluate.truth import Boxes, Ints, Truth
from pipeline.store import TrackRow

LATEST = 1.0  # seconds that a picture may take from its sending to its time stamp


def in_frames(
    rows: Sequence[TrackRow], truth: Truth, began: float, fps: float
) -> tuple[list[TrackRow], Ints]:
    """The tracklets with the numbers of the film's frames, without what is outside it, and the
    frames in which somebody was tracked.

    The time from sending to stamp is taken to be the same for all pictures of a camera, and to be
    the one at which the boxes lie best on people.

    Args:
        began: when the first frame was sent, seconds since the epoch.
    """
    last = int(truth.people.frames.max(initial=0))
    shifts = np.arange(int(LATEST * fps) + 1)
    best = max(shifts.tolist(), key=lambda shift: _fit(rows, truth, began + shift / fps, fps))
    found = [row for r in rows if len((row := _numbered(r, began + best / fps, fps, last)).frames)]
    frames = [row.frames for row in found]
    seen = np.unique(np.concatenate(frames)) if frames else np.zeros(0, np.int32)
    return found, seen.astype(np.int64)


def _fit(rows: Sequence[TrackRow], truth: Truth, began: float, fps: float) -> float:
    last = int(truth.people.frames.max(initial=0))
    moved = [_numbered(row, began, fps, last) for row in rows]
    boxes = Boxes(
        np.concatenate([np.zeros(0, np.int64), *(row.frames for row in moved)]).astype(np.int64),
        np.repeat(np.arange(len(moved)), [len(row.frames) for row in moved]),
        np.concatenate([np.zeros((0, 4)), *(row.boxes for row in moved)]).astype(np.float64),
    )
    return float(compare({"camera": truth}, {"camera": boxes}).matched().iou.sum())


def _numbered(row: TrackRow, began: float, fps: float, last: int) -> TrackRow:
    """One picture of each frame; a late one and its successor may fall on the same number."""
    frames = np.rint((row.times - began) * fps).astype(np.int32) + 1
    _, first = np.unique(frames, return_index=True)
    inside = first[(frames[first] >= 1) & (frames[first] <= last)]
    return replace(row, times=row.times[inside], frames=frames[inside], boxes=row.boxes[inside])
