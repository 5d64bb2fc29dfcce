"""Where a camera's file goes on, and whether it is still the file that was read before."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline.config import Camera
from pipeline.errors import CamtrailError
from pipeline.records import Progress

_HEAD_BYTES = 2**16


def digest(camera: Camera) -> str:
    """What tells a video file from another: a digest of its size and of how it begins.

    Empty for what has none: live cameras, folders (which may grow), and files that are away.
    """
    if camera.live:
        return ""
    try:
        with Path(camera.source).open("rb") as file:
            head = file.read(_HEAD_BYTES)
            size = file.seek(0, 2)
    except OSError:
        return ""
    return hashlib.blake2b(head, digest_size=8, salt=size.to_bytes(16, "little")).hexdigest()


def first_time(camera: Camera) -> float:
    """The capture time with which a camera begins, in seconds; of a live one, now."""
    if not camera.live:
        if camera.start is not None:
            return camera.start.timestamp()
        try:
            return Path(camera.source).stat().st_mtime
        except OSError:
            pass  # the worker will say what is wrong with it
    return time.time()


def where_to_go_on(name: str, camera: Camera, former: Progress | None) -> Progress | None:
    """The progress behind which the file goes on, which is ``former``, the last of the former
    runs; None where the camera begins anew: it is live, or it has another, later file now.

    Raises:
        CamtrailError: it has another file now whose pictures would be older than what was read.
    """
    if camera.live or former is None:
        return None
    found = digest(camera)
    if not found or former.source in ("", found):
        return former
    start = first_time(camera)
    if former.frame and start <= former.time:
        raise CamtrailError(
            f"{camera.source}: this is not the file that camera '{name}' has read before, and it "
            f"would begin at {_date(start)}, before the end of that ({_date(former.time)}); "
            "set the camera's `start`, or give the file a camera or a data_dir of its own"
        )
    return None


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
