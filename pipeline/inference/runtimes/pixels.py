"""Pictures as exported networks take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import CamtrailError
from pipeline.records import FloatArray, Image

_SCALE = np.float32(1 / 255)


def to_floats(batch: Image) -> FloatArray:
    """BGR uint8 (n, h, w, 3) as RGB (n, 3, h, w) in [0, 1]; a quarter of torch's time for it."""
    count, height, width, _ = batch.shape
    floats = np.empty((count, 3, height, width), np.float32)
    for picture, planes in zip(batch, floats, strict=True):
        for number, plane in enumerate(reversed(cv2.split(picture))):
            np.multiply(plane, _SCALE, out=planes[number])
    return floats


def fixed(shape: Sequence[Any], path: Path) -> tuple[bool, tuple[int, int] | None]:
    """Of an input's shape (n, 3, h, w), where only numbers are fixed: whether pictures go one by
    one, and their height and width, or None where these are free.

    Raises:
        CamtrailError: it is another kind of shape.
    """
    count, channels, height, width = [side if isinstance(side, int) else None for side in shape]
    sizes = height is not None and width is not None
    if channels != 3 or count not in (None, 1) or sizes == (height is None):
        raise CamtrailError(
            f"{path}: takes pictures as {list(shape)}; needed are [n or 1, 3, height, width]"
        )
    return count == 1, (height, width) if height is not None and width is not None else None
