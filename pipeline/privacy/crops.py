"""Crops that say what of them is to be hidden.

A crop that was made while people are hidden has a comment (JPEG's own, behind its first segment):
``camtrail `` and JSON, ``faces`` being their regions as shares of its width and height, and
``blurred`` what was made a mosaic of: ``faces``, ``persons``, or ``none`` where it is clear, since
some may see it so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from pipeline.config import Hidden
from pipeline.privacy.regions import hide, regions
from pipeline.records import FloatArray, Image

QUALITY = 90  # of the JPEG

_START = b"\xff\xd8"
_COMMENT = b"\xff\xfe"
_MARK = b"camtrail "
_MOST = 64  # faces of one crop
_FAR = 256  # bytes within which a note begins
_ORDER: tuple[Hidden, ...] = get_args(Hidden)  # from the least to the most
_EVERYTHING = ((0.0, 0.0, 1.0, 1.0),)

Shares = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Note:
    """What a crop says of itself: the faces in it, and what of it was hidden."""

    faces: tuple[Shares, ...]
    blurred: Hidden


def encode(image: Image, faces: Sequence[Shares], what: Hidden, blurred: bool) -> bytes:
    """A crop (BGR) as JPEG with its note; without one where nothing is to be hidden.

    Args:
        faces: those in it, as shares of its width and height.
        blurred: whether what is to be hidden is hidden now; else whoever shows it has to.
    """
    if what == "none":
        return _jpeg(image)
    faces = tuple(faces)[:_MOST]
    if not blurred:
        return _noted(_jpeg(image), Note(faces, "none"))
    hidden = _in_pixels(_EVERYTHING if what == "persons" else faces, image)
    return _noted(_jpeg(hide(image, hidden, what)), Note(faces, what))


def read_note(data: bytes) -> Note | None:
    """The note of a crop; None where it has none that can be read."""
    place = data.find(_MARK, 6, _FAR) - 4
    if place < 0 or data[place : place + 2] != _COMMENT:
        return None
    length = int.from_bytes(data[place + 2 : place + 4], "big")
    try:
        found = json.loads(data[place + 4 + len(_MARK) : place + 2 + length])
        blurred = found["blurred"]
        faces = [tuple(float(share) for share in face) for face in found["faces"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if blurred not in _ORDER or any(len(face) != 4 or not _inside(face) for face in faces):
        return None
    return Note(tuple((f[0], f[1], f[2], f[3]) for f in faces[:_MOST]), blurred)


def is_blurred(data: bytes, what: Hidden) -> bool:
    """Whether a crop hides as much as ``what`` already."""
    note = read_note(data)
    done = note.blurred if note is not None else "none"
    return _ORDER.index(done) >= _ORDER.index(what)


def blurred(data: bytes, what: Hidden) -> bytes:
    """A crop with everything hidden that ``what`` says; as it is where it was made so.

    One without a note is of a time before people were hidden: of its faces only that of the person
    whose crop it is can be told.

    Raises:
        ValueError: it is no picture.
    """
    if is_blurred(data, what):
        return data
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("this crop is damaged")
    picture = np.asarray(image, np.uint8)
    note = read_note(data)
    faces = own_face(picture) if note is None else note.faces
    return encode(picture, faces, what, blurred=True)


def own_face(crop: Image) -> tuple[Shares, ...]:
    """The face of the person who fills a crop."""
    height, width = crop.shape[:2]
    box = np.array([[0, 0, width, height]], np.float32)
    return shares(regions(box, "faces"), (0, 0, width, height))


def shares(hidden: FloatArray, crop: Sequence[float]) -> tuple[Shares, ...]:
    """Regions (n, 4) of a frame as shares of a crop (x1, y1, x2, y2); those that it shows."""
    x1, y1, x2, y2 = crop
    size = np.array([x2 - x1, y2 - y1] * 2, np.float32)
    inside = np.clip((hidden - np.array([x1, y1] * 2, np.float32)) / size, 0, 1)
    kept = inside[(inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])]
    return tuple((a, b, c, d) for a, b, c, d in kept.astype(float).round(4).tolist())


def _inside(face: Sequence[float]) -> bool:
    return all(0 <= share <= 1 for share in face)


def _in_pixels(hidden: Sequence[Shares], image: Image) -> FloatArray:
    height, width = image.shape[:2]
    scale = np.array([width, height] * 2, np.float32)
    return np.array(hidden, np.float32).reshape(-1, 4) * scale


def _jpeg(image: Image) -> bytes:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)


def _noted(data: bytes, note: Note) -> bytes:
    text = {"faces": note.faces, "blurred": note.blurred}
    body = _MARK + json.dumps(text, separators=(",", ":")).encode()
    place = len(_START)
    if data[place : place + 2] == b"\xff\xe0":  # JFIF's own segment has to be the first
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    comment = _COMMENT + (2 + len(body)).to_bytes(2, "big") + body
    return data[:place] + comment + data[place:]
