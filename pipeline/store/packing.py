"""How arrays stand in the store: little endian, without headers."""

from __future__ import annotations

import math
import zlib

import numpy as np

from pipeline.records import FloatArray, Path

_POINT_BYTES = 8 + 4 + 16


def pack_path(path: Path) -> bytes:
    """Times (n float64), frames (n int32), boxes (n x 4 float32), compressed."""
    parts = (path.times.astype("<f8"), path.frames.astype("<i4"), path.boxes.astype("<f4"))
    return zlib.compress(b"".join(part.tobytes() for part in parts), 1)


def unpack_path(data: bytes) -> Path:
    """The inverse of `pack_path`."""
    raw = zlib.decompress(data)
    n = len(raw) // _POINT_BYTES
    return Path(
        np.frombuffer(raw, "<f8", n).astype(np.float64),
        np.frombuffer(raw, "<i4", n, 8 * n).astype(np.int32),
        np.frombuffer(raw, "<f4", 4 * n, 12 * n).astype(np.float32).reshape(n, 4),
    )


def pack_embedding(embedding: FloatArray | None) -> bytes | None:
    """D x float16."""
    return None if embedding is None else embedding.astype("<f2").tobytes()


def unpack_embedding(data: bytes | None) -> FloatArray | None:
    """The inverse of `pack_embedding`, as float32; packed again it gives the same bytes."""
    return None if data is None else np.frombuffer(data, "<f2").astype(np.float32)


def finite(value: float) -> float | None:
    """The number as a database takes it: NULL for NaN and infinities."""
    return value if math.isfinite(value) else None


def nan(value: float | None) -> float:
    """The inverse of `finite` for NaN."""
    return math.nan if value is None else value
