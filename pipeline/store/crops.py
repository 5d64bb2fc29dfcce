"""The pictures of each tracklet, as JPEG files in a dated folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.keyring import Keyring, name_of
from pipeline.records import TrackletUpdate


class KeptCrop(NamedTuple):
    """One picture: ``seq`` of the update that brought it, its file below the folder of crops,
    about when it was taken, and its quality.
    """

    seq: int
    file: str
    time: float
    quality: float


def crop_file(update: TrackletUpdate) -> str:
    """Where the crop stands below the folder of crops:
    ``YYYY-MM-DD/CAMERA/RUN-TRACK-SEQ.jpg``, the date being that of the tracklet's start in UTC.
    """
    try:
        day = datetime.fromtimestamp(update.start, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):  # a clock beyond the calendar
        day = "undated"
    return f"{day}/{update.camera}/{update.run}-{update.track}-{update.seq}.jpg"


def write_crop(folder: Path, update: TrackletUpdate, thumbnail: bytes, keyring: Keyring) -> str:
    """Writes the picture whole or not at all, encrypted where there is a key, and gives its name
    below ``folder``.

    Raises:
        OSError: the disk takes nothing.
    """
    name = crop_file(update)
    path = folder / name
    partial = path.with_suffix(".partial")
    data = keyring.seal(thumbnail, name_of(update))
    try:
        partial.write_bytes(data)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
    partial.replace(path)
    return name


def best_of(crops: Sequence[KeptCrop]) -> KeptCrop:
    """The one of the highest quality, the first of equals."""
    return max(crops, key=lambda crop: (crop.quality, -crop.seq))


def superfluous(crops: Sequence[KeptCrop], keep: int) -> list[KeptCrop]:
    """Which to drop, so that the best and ``keep`` others stay that are spread in time.

    Time and again the one goes whose neighbours are nearest to each other, but the first and the
    last only when there is no other; of equals, the one of lower quality.
    """
    best, kept, dropped = best_of(crops), sorted(crops), []

    def loss(index: int) -> tuple[float, float]:
        inside = 0 < index < len(kept) - 1
        gap = kept[index + 1].time - kept[index - 1].time if inside else math.inf
        return gap, kept[index].quality

    while len(kept) > keep + 1:
        others = [index for index, crop in enumerate(kept) if crop is not best]
        dropped.append(kept.pop(min(others, key=loss)))
    return dropped
