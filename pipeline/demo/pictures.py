"""Pictures for the page, as data URIs: one frame of each camera, and crops."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.records import Image
from pipeline.store import TrackRow

CROP_HEIGHT = 144  # pixels, twice what the page shows, for sharp screens


@dataclass(frozen=True)
class Shot:
    """One frame: its picture, its size in pixels, and the tracklets in it with their boxes."""

    uri: str
    width: int
    height: int
    tracks: list[tuple[TrackRow, tuple[float, float, float, float]]]


def liveliest_shot(video: Path, tracks: list[TrackRow]) -> Shot | None:
    """The frame in which the most people with an identity are; None where there is none."""
    known = [track for track in tracks if track.identity is not None]
    frames, counts = np.unique(
        np.concatenate([track.frames for track in known] or [np.zeros(0, np.int32)]),
        return_counts=True,
    )
    if not len(frames):
        return None
    number = int(frames[counts.argmax()])
    image = _frame(video, number)
    inside = []
    for track in known:
        for box in track.boxes[track.frames == number]:
            x1, y1, x2, y2 = map(float, box)
            inside.append((track, (x1, y1, x2, y2)))
    height, width = image.shape[:2]
    return Shot(_uri(image), width, height, inside)


def crop_uri(data: bytes) -> str:
    """A crop (JPEG), made no larger than the page needs it."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(found, np.uint8)
    height, width = image.shape[:2]
    if height > CROP_HEIGHT:
        size = (max(1, round(width * CROP_HEIGHT / height)), CROP_HEIGHT)
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _uri(image)


def _frame(video: Path, number: int) -> Image:
    """The frame of a file with this number, counted from 1; BGR."""
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0), start=1):
            if index == number:
                return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    raise ValueError(f"{video} has no frame {number}")


def _uri(image: Image) -> str:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
