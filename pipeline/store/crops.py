"""The best crop of each tracklet, as a JPEG file in a dated folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipeline.records import TrackletUpdate


def crop_file(update: TrackletUpdate) -> str:
    """Where the crop stands below the folder of crops: ``YYYY-MM-DD/CAMERA/RUN-TRACK.jpg``.

    The date is that of the tracklet's start in UTC, so a better crop replaces the one before.
    """
    try:
        day = datetime.fromtimestamp(update.start, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):  # a clock beyond the calendar
        day = "undated"
    return f"{day}/{update.camera}/{update.run}-{update.track}.jpg"


def write_crop(folder: Path, update: TrackletUpdate, thumbnail: bytes) -> str:
    """Writes the picture whole or not at all, and gives its name below ``folder``.

    Raises:
        OSError: the disk takes nothing.
    """
    name = crop_file(update)
    path = folder / name
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(thumbnail)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(thumbnail)
    partial.replace(path)
    return name
