"""The wire format of one message, version 1.

``version (1 byte) | kind (1 byte) | msgpack array``. Kind ``u`` is a `TrackletUpdate`:

====  =================  =========================================================================
 0    camera             text, the site's pattern of names
 1    run                text, 1 to 26 letters and digits (a ULID)
 2    number             int >= 1, counts the messages of this run
 3    track, 4 seq       int >= 0
 5    start, 6 end       float64 seconds, start <= end
 7    points             int >= 0, the length of the path
 8    path               bytes, zlib: times (points x float64, exact), then frames (int32) and boxes
                         (points x 4 int32, in 1/8 pixel), both as differences along the path;
                         little endian
 9    crops              int >= 0
10    quality            float64 >= 0
11    embedding          nil, or bytes: D x float16, little endian, of norm 1
12    fingerprint        text
13    thumbnail          nil, or bytes: JPEG, or encrypted as `pipeline.keyring` says
14    thumbnail_quality  float64 in [0, 1], of the thumbnail, or without one of the best so far
15    ended              bool
====  =================  =========================================================================

Kind ``p`` is a `Progress`: camera, run, number, time, state (text), live, frames, frame, dropped,
source (text).

What is lost on the wire: boxes are rounded to 1/8 pixel, embeddings to float16 (then normalised
again). Everything is checked and bounded on both sides: neither a bug in a worker nor a stranger
who can write to Redis gets anything else into the matcher than what `pipeline.records` promises.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from pipeline.config import NAME_PATTERN
from pipeline.records import (
    CameraState,
    Envelope,
    FloatArray,
    Path,
    Progress,
    TrackletUpdate,
)

VERSION = 1
MAX_MESSAGE = 4 * 2**20
MAX_THUMBNAIL = 2**20
MAX_POINTS = 100_000
MAX_DIMENSION = 8_192
MAX_TEXT = 256

_UPDATE, _PROGRESS = b"u", b"p"
_STEPS_PER_PIXEL = 8
_MAX_PIXEL = 2**24
_POINT_BYTES = 8 + 4 + 4 * 4
_NAME = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")  # `$` would let a newline through
_RUN = re.compile(r"^[0-9A-Za-z]{1,26}\Z")


class WireError(ValueError):
    """A message that is not what this module describes; the text says in what."""


def encode(envelope: Envelope) -> bytes:
    """The message as bytes. Raises `WireError` for a record that breaks its own promises."""
    body = envelope.body
    fields: list[Any] = [body.camera, body.run, int(envelope.number)]
    if isinstance(body, Progress):
        kind = _PROGRESS
        fields += [float(body.time), str(body.state), bool(body.live)]
        fields += [int(body.frames), int(body.frame), int(body.dropped), body.source]
        _check_progress(fields)
    else:
        kind = _UPDATE
        fields += [int(body.track), int(body.seq), float(body.start), float(body.end)]
        fields += [len(body.path), _pack_path(body.path)]
        fields += [int(body.crops), float(body.quality), _pack_embedding(body.embedding)]
        fields += [body.fingerprint, body.thumbnail, float(body.thumbnail_quality)]
        fields += [bool(body.ended)]
        _check_update(fields)
    data: bytes = bytes([VERSION]) + kind + msgpack.packb(fields)
    if len(data) > MAX_MESSAGE:
        raise WireError(f"{len(data)} bytes; at most {MAX_MESSAGE} are allowed")
    return data


def decode(data: bytes) -> Envelope:
    """The inverse of `encode`. Raises `WireError`, and nothing else, for whatever else it gets."""
    if len(data) > MAX_MESSAGE:
        raise WireError(f"{len(data)} bytes; at most {MAX_MESSAGE} are allowed")
    if len(data) < 3:
        raise WireError(f"{len(data)} bytes are no message")
    if data[0] != VERSION:
        raise WireError(f"version {data[0]}; this program reads version {VERSION}")
    kind = data[1:2]
    if kind not in (_UPDATE, _PROGRESS):
        raise WireError(f"unknown kind {kind!r}")
    try:
        fields = msgpack.unpackb(data[2:], max_ext_len=0, max_map_len=0)
    except Exception as error:  # msgpack raises many kinds
        raise WireError(f"not msgpack: {type(error).__name__}: {error}") from None
    if not isinstance(fields, list):
        raise WireError("not an array")
    return _decode_progress(fields) if kind == _PROGRESS else _decode_update(fields)


def is_progress(data: bytes) -> bool:
    """Whether an encoded message is a `Progress`, without decoding it."""
    return data[1:2] == _PROGRESS


def _decode_progress(fields: list[Any]) -> Envelope:
    _check_progress(fields)
    camera, run, number, time, state, live, frames, frame, dropped, source = fields
    progress = Progress(camera, run, time, CameraState(state), live, frames, frame, dropped, source)
    return Envelope(number, progress)


def _decode_update(fields: list[Any]) -> Envelope:
    _check_update(fields)
    camera, run, number, track, seq, start, end, points, path, crops, quality = fields[:11]
    embedding, fingerprint, thumbnail, thumbnail_quality, ended = fields[11:]
    update = TrackletUpdate(
        camera=camera,
        run=run,
        track=track,
        seq=seq,
        start=start,
        end=end,
        path=_unpack_path(path, points),
        crops=crops,
        quality=quality,
        embedding=None if embedding is None else _unpack_embedding(embedding),
        fingerprint=fingerprint,
        thumbnail=thumbnail,
        thumbnail_quality=thumbnail_quality,
        ended=ended,
    )
    return Envelope(number, update)


def _check_progress(fields: Sequence[Any]) -> None:
    if len(fields) != 10:
        raise WireError(f"a progress has 10 fields, not {len(fields)}")
    _check_head(fields)
    _number("time", fields[3], -math.inf)
    if fields[4] not in list(CameraState):
        raise WireError(f"state: {_brief(fields[4])} is none of {', '.join(CameraState)}")
    _flag("live", fields[5])
    for name, value in zip(("frames", "frame", "dropped"), fields[6:9], strict=True):
        _count(name, value)
    _text("source", fields[9])


def _check_update(fields: Sequence[Any]) -> None:
    if len(fields) != 16:
        raise WireError(f"an update has 16 fields, not {len(fields)}")
    _check_head(fields)
    _count("track", fields[3])
    _count("seq", fields[4])
    _number("start", fields[5], -math.inf)
    _number("end", fields[6], fields[5])
    _count("points", fields[7], most=MAX_POINTS)
    _blob("path", fields[8], MAX_POINTS * _POINT_BYTES)
    _count("crops", fields[9])
    _number("quality", fields[10], 0.0)
    if fields[11] is not None:
        _blob("embedding", fields[11], 2 * MAX_DIMENSION)
    _text("fingerprint", fields[12])
    if fields[13] is not None:
        _blob("thumbnail", fields[13], MAX_THUMBNAIL)
    _number("thumbnail_quality", fields[14], 0.0, 1.0)
    _flag("ended", fields[15])


def _check_head(fields: Sequence[Any]) -> None:
    camera, run, number = fields[:3]
    if not isinstance(camera, str) or not _NAME.match(camera):
        raise WireError(f"camera: {_brief(camera)} is no name")
    if not isinstance(run, str) or not _RUN.match(run):
        raise WireError(f"run: {_brief(run)} is no ULID")
    _count("number", number, least=1)


def _count(name: str, value: Any, least: int = 0, most: int = 2**31 - 1) -> None:
    if type(value) is not int or not least <= value <= most:
        raise WireError(f"{name}: {_brief(value)} is no integer from {least} to {most}")


def _number(name: str, value: Any, least: float, most: float = math.inf) -> None:
    if type(value) is not float or not math.isfinite(value) or not least <= value <= most:
        raise WireError(f"{name}: {_brief(value)} is no finite number from {least} to {most}")


def _flag(name: str, value: Any) -> None:
    if type(value) is not bool:
        raise WireError(f"{name}: {_brief(value)} is neither true nor false")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise WireError(f"{name}: {_brief(value)} is no text of at most {MAX_TEXT} characters")


def _blob(name: str, value: Any, most: int) -> None:
    if not isinstance(value, bytes) or len(value) > most:
        raise WireError(f"{name}: {_brief(value)} is not bytes, at most {most}")


def _brief(value: Any) -> str:
    text = repr(value[:40] if isinstance(value, (str, bytes, list)) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _pack_path(path: Path) -> bytes:
    n = len(path)
    boxes = np.asarray(path.boxes, np.float64)
    if path.times.shape != (n,) or path.frames.shape != (n,) or boxes.shape != (n, 4):
        raise WireError("path: times, frames and boxes are not of shapes (n,), (n,), (n, 4)")
    if not (np.isfinite(boxes).all() and (np.abs(boxes) <= _MAX_PIXEL).all()):
        raise WireError("path: a box is not finite, or absurdly large")
    _check_path(path.times, path.frames)
    steps = np.rint(boxes * _STEPS_PER_PIXEL).astype("<i4")
    raw = path.times.astype("<f8").tobytes()
    raw += np.diff(path.frames.astype("<i4"), prepend=np.int32(0)).tobytes()
    raw += np.diff(steps, axis=0, prepend=np.zeros((1, 4), np.int32)).tobytes()
    return zlib.compress(raw, 1)


def _unpack_path(data: bytes, n: int) -> Path:
    size = n * _POINT_BYTES
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)  # bounded: no bomb
    except zlib.error as error:
        raise WireError(f"path: {error}") from None
    if len(raw) != size or not inflater.eof or inflater.unused_data:
        raise WireError(f"path: not the {size} bytes of {n} points")
    times = np.frombuffer(raw, "<f8", n).astype(np.float64)
    frames = np.cumsum(np.frombuffer(raw, "<i4", n, 8 * n), dtype=np.int64)
    steps = np.cumsum(
        np.frombuffer(raw, "<i4", 4 * n, 12 * n).reshape(n, 4), axis=0, dtype=np.int64
    )
    if (np.abs(steps) > _MAX_PIXEL * _STEPS_PER_PIXEL).any():
        raise WireError("path: a box is absurdly large")
    _check_path(times, frames)
    boxes = (steps / _STEPS_PER_PIXEL).astype(np.float32)
    return Path(times, frames.astype(np.int32), boxes)


def _check_path(times: npt.NDArray[np.float64], frames: npt.NDArray[Any]) -> None:
    if not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise WireError("path: times are not finite and in order")
    if len(frames) and not (frames.min() >= 1 and frames.max() < 2**31):
        raise WireError("path: frames are not counted from 1")


def _pack_embedding(embedding: FloatArray | None) -> bytes | None:
    if embedding is None:
        return None
    if embedding.ndim != 1 or not _is_unit(embedding):
        raise WireError("embedding: not a vector of norm 1")
    return embedding.astype("<f2").tobytes()


def _unpack_embedding(data: bytes) -> FloatArray:
    if len(data) % 2:
        raise WireError(f"embedding: {len(data)} bytes are no float16 vector")
    vector = np.frombuffer(data, "<f2").astype(np.float32)
    if not _is_unit(vector):
        raise WireError("embedding: not a vector of norm 1")
    unit: FloatArray = vector / np.linalg.norm(vector)
    return unit


def _is_unit(vector: FloatArray) -> bool:
    norm = float(np.linalg.norm(vector.astype(np.float64))) if vector.size else 0.0
    return abs(norm - 1.0) < 0.01  # NaN fails too
