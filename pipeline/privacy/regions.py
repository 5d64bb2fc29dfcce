"""What is hidden of people, and how: so that it cannot be undone.

A face becomes a mosaic of a few cells, whatever its size: all faces with the same means become the
same picture, so nothing can bring back which it was. A whole person becomes a plain grey box: of
even a few grey cells an encoder knows people again several times as often as by chance.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.config import Hidden
from pipeline.records import FloatArray, Image

FACE_CELLS = (3, 3)  # across and down; a region is wider than the head in it
GREY = 128  # of a person

_ABOVE = 0.10  # of a person's height: boxes end at the hair, or cut it
_BESIDE = 0.15  # of a person's width
_HEAD = 0.24  # of the height of somebody who stands
_CLOSE = 0.65  # of the width, where that is more: somebody near, cut by the picture's lower edge
_MARGIN = 0.06  # around a whole person, of width and height


def regions(boxes: FloatArray, what: Hidden) -> FloatArray:
    """What is to be hidden of persons.

    Args:
        boxes: (n, 4) of persons, in pixels.
        what: ``faces``: the upper quarter of each box, more of a box that is not upright; the whole
            box: ``persons``; nothing: ``none``.

    Returns:
        (n, 4), perhaps beyond the picture; (0, 4) for ``none``.
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    if what == "none":
        return boxes[:0]
    x1, y1, x2, y2 = boxes.T
    width, height = x2 - x1, y2 - y1
    if what == "persons":
        aside, apart = _MARGIN * width, _MARGIN * height
        return np.stack([x1 - aside, y1 - apart, x2 + aside, y2 + apart], 1)
    head = np.minimum(np.maximum(_HEAD * height, _CLOSE * width), height)
    aside = _BESIDE * width
    return np.stack([x1 - aside, y1 - _ABOVE * height, x2 + aside, y1 + head], 1)


def hide(image: Image, hidden: FloatArray, what: Hidden) -> Image:
    """A copy of a picture (uint8 H x W x 3) without some regions (n, 4) in pixels.

    Where faces overlap, a later mosaic is made of the former one: none tells more.
    """
    height, width = image.shape[:2]
    shown = image.copy()
    low = np.floor(np.clip(hidden[:, :2], 0, (width, height))).astype(int)
    high = np.ceil(np.clip(hidden[:, 2:], 0, (width, height))).astype(int)
    for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist(), strict=True):
        if x1 < x2 and y1 < y2:
            shown[y1:y2, x1:x2] = _hidden(shown[y1:y2, x1:x2], what)
    return shown


def hide_all(image: Image) -> Image:
    """Nothing of a picture, of which it is not known where people are."""
    height, width = image.shape[:2]
    return hide(image, np.array([[0, 0, width, height]], np.float32), "persons")


def _hidden(part: Image, what: Hidden) -> Image:
    if what == "persons":
        return np.full_like(part, GREY)
    across, down = FACE_CELLS
    height, width = part.shape[:2]
    size = (min(across, width), min(down, height))
    cells = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
