"""Clips in which people are hidden: decoded, and encoded anew."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np

from pipeline.config import Hidden
from pipeline.privacy.regions import hide, hide_all, regions
from pipeline.records import FloatArray, Image, Path

_CODEC = "libx264"
_OPTIONS = {"preset": "veryfast", "crf": "23"}
_INDEX_BYTES = 64  # of the index for a picture, amply
_STEP = 0.1  # seconds between the moments at which somebody's place is looked up


@dataclass(frozen=True)
class Presence:
    """Who was where in a camera.

    Attributes:
        paths: of everybody.
        known: the stretches ``(start, end)`` in which that is all; what was in view at other times
            nobody knows.
        slack: seconds by which a picture's time may differ from that of the boxes in it.
    """

    paths: Sequence[Path]
    known: Sequence[tuple[float, float]]
    slack: float = 0.0

    def boxes(self, moment: float) -> FloatArray | None:
        """Where everybody may be in a picture of this time (n, 4); None: nobody knows."""
        if not any(start <= moment <= end for start, end in self.known):
            return None
        low, high = moment - self.slack, moment + self.slack
        found = [_between(path, low, high) for path in self.paths if _reaches(path, low, high)]
        return np.concatenate([np.empty((0, 4), np.float32), *found])


def blurred_clip(data: bytes, start: float, presence: Presence, what: Hidden) -> bytes:
    """An MP4 with everybody hidden in each picture, and all of a picture where nobody knows.

    Args:
        data: the clip as the camera sent it; ``start`` is the capture time of its time 0.
    """
    file = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source:
        stream = source.streams.video[0]
        stream.thread_type = "AUTO"
        room = str(2**14 + _INDEX_BYTES * max(stream.frames, 1))
        with av.open(file, "w", format="mp4", options={"moov_size": room}) as target:
            copy = _like(target, stream)
            for frame in source.decode(stream):
                if frame.pts is None:
                    continue
                boxes = presence.boxes(start + frame.time)
                image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                shown = av.VideoFrame.from_ndarray(_hide(image, boxes, what), format="bgr24")
                shown.pts, shown.time_base = frame.pts, frame.time_base
                target.mux(copy.encode(shown))
            target.mux(copy.encode())
    return file.getvalue()


def _hide(image: Image, boxes: FloatArray | None, what: Hidden) -> Image:
    if boxes is None:
        return hide_all(image)
    return hide(image, regions(boxes, what), what)


def _like(target: Any, stream: Any) -> Any:
    context = stream.codec_context
    copy = target.add_stream(_CODEC, rate=stream.average_rate or Fraction(25), options=_OPTIONS)
    copy.width, copy.height = context.width // 2 * 2, context.height // 2 * 2
    copy.pix_fmt, copy.time_base = "yuv420p", stream.time_base
    copy.codec_context.time_base = stream.time_base
    copy.codec_context.max_b_frames = 0
    return copy


def _reaches(path: Path, low: float, high: float) -> bool:
    return len(path) > 0 and path.times[0] <= high and path.times[-1] >= low


def _between(path: Path, low: float, high: float) -> FloatArray:
    """Where somebody was from ``low`` to ``high``: each box of that time (n, 4), and those between
    the boxes around its ends.
    """
    steps = max(1, round((high - low) / _STEP))
    moments = np.clip(np.linspace(low, high, steps + 1), path.times[0], path.times[-1])
    after = np.clip(np.searchsorted(path.times, moments), 1, max(1, len(path) - 1))
    if len(path) == 1:
        return path.boxes
    gap = path.times[after] - path.times[after - 1]
    share = (moments - path.times[after - 1]) / np.maximum(gap, 1e-9)
    line = path.boxes[after - 1] + share[:, None] * (path.boxes[after] - path.boxes[after - 1])
    inside = (path.times >= low) & (path.times <= high)
    return np.concatenate([line, path.boxes[inside]]).astype(np.float32)
