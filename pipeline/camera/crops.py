"""Which pictures of a person are worth an embedding, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline import config
from pipeline.privacy import crops as hidden
from pipeline.privacy.regions import regions
from pipeline.records import FloatArray, Image

FULL_HEIGHT = 128.0  # pixels from which a person's size no longer counts against a crop
KEPT_HEIGHT = 512  # pixels; larger crops are stored smaller, no encoder sees more
THUMBNAIL_HEIGHT = 256
_EDGE = 2.0  # pixels from the frame's edge within which a box counts as cut
_UPRIGHT = 1.2  # height / width below which a box shows no whole person
_NOT_WHOLE = 0.5  # factor on the quality of a person who is cut
_SHARPNESS_SIZE = (64, 128)  # width, height at which sharpness is measured
_MEMORY = 0.02  # weight of one crop in the camera's usual sharpness

Boxes = FloatArray


@dataclass(frozen=True, slots=True)
class Crop:
    """A picture of a person: BGR, its quality in [0, 1], and whether it is worth embedding.

    ``time`` is that of its frame, ``faces`` are those that no stored picture of it shows, as shares
    of its width and height.
    """

    image: Image
    quality: float
    good: bool
    time: float = 0.0
    faces: tuple[hidden.Shares, ...] = ()


class CropJudge:
    """Rates the persons of a camera's frames.

    quality = confidence x size x visible x whole x sharp, each in [0, 1]:

    * size: height / 128 pixels, at most 1;
    * visible: the share not covered by nearer persons (those whose feet are lower in the picture);
    * whole: 1/2 if the box touches the frame's edge or is not upright, else 1;
    * sharp: variance of the Laplacian relative to the mean of this camera's crops, at most 1.

    A crop is good (worth embedding) if it is at least ``min_height`` high, whole, and covered by
    no more than ``max_overlap``.
    """

    def __init__(self, options: config.Crops) -> None:
        self._options = options
        self._usual_sharpness = 0.0

    def rate(
        self, image: Image, boxes: Boxes, confidences: FloatArray, others: Boxes
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """The most that the quality of each person can be (n,), and which are good (n,).

        Args:
            image: the frame.
            boxes: (n, 4) of the persons to rate.
            confidences: (n,) in [0, 1].
            others: (m, 4), everybody in the frame, the persons to rate among them.
        """
        height, width = image.shape[:2]
        heights, widths = boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]
        inside = (boxes[:, :2] > _EDGE).all(1)
        inside &= (boxes[:, 2] < width - _EDGE) & (boxes[:, 3] < height - _EDGE)
        whole = inside & (heights >= _UPRIGHT * widths)
        covered = coverage(boxes, others)
        quality = confidences * np.minimum(heights / FULL_HEIGHT, 1) * (1 - covered)
        quality = np.where(whole, quality, quality * _NOT_WHOLE)
        good = whole & (heights >= self._options.min_height)
        good &= covered <= self._options.max_overlap
        return np.asarray(quality, np.float32), good

    def cut(
        self,
        image: Image,
        box: Sequence[float] | FloatArray,
        bound: float,
        good: bool,
        time: float = 0.0,
        people: Boxes | None = None,
    ) -> Crop:
        """The crop of a person whose quality is at most ``bound``; sharpness is judged here.

        Args:
            people: (n, 4) of everybody whose face is to be hidden; None: nobody's.
        """
        height, width = image.shape[:2]
        x1 = min(max(0, int(box[0])), width - 1)
        y1 = min(max(0, int(box[1])), height - 1)
        x2 = max(min(width, round(float(box[2]))), x1 + 1)
        y2 = max(min(height, round(float(box[3]))), y1 + 1)
        picture = shrink(image[y1:y2, x1:x2], KEPT_HEIGHT).copy()
        sharpness = laplacian_variance(picture)
        if self._usual_sharpness:
            self._usual_sharpness += _MEMORY * (sharpness - self._usual_sharpness)
        else:
            self._usual_sharpness = sharpness
        sharp = min(1.0, sharpness / self._usual_sharpness) if self._usual_sharpness else 1.0
        faces = () if people is None else hidden.shares(regions(people, "faces"), (x1, y1, x2, y2))
        return Crop(picture, bound * sharp, good, time, faces)


def coverage(boxes: Boxes, others: Boxes) -> FloatArray:
    """The share of each box (n, 4) covered by nearer ones of ``others`` (m, 4), in [0, 1].

    Of two persons the nearer is the one whose box ends lower in the picture. Where several cover
    a person, the sum of their shares is taken: an upper bound.
    """
    top_left = np.maximum(boxes[:, None, :2], others[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = np.clip(bottom_right - top_left, 0, None).prod(-1)
    nearer = others[None, :, 3] > boxes[:, None, 3]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    shares = (common * nearer).sum(1) / np.maximum(areas, 1e-6)
    return np.asarray(np.minimum(shares, 1), np.float32)


def meeting(boxes: Boxes, others: Boxes) -> npt.NDArray[np.bool_]:
    """Which of the boxes (n, 4) touch one of ``others`` (m, 4) besides themselves: (n,)."""
    top_left = np.maximum(boxes[:, None, :2], others[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    touches = (bottom_right > top_left).all(-1)
    same = np.isclose(boxes[:, None], others[None], atol=0.5).all(-1)
    return np.asarray(np.any(touches & ~same, axis=1), np.bool_)


def laplacian_variance(image: Image) -> float:
    """How sharp a crop is, at a fixed size so that near and far persons compare."""
    small = cv2.resize(image, _SHARPNESS_SIZE, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var())


def shrink(image: Image, height: int) -> Image:
    """The image, no higher than ``height`` pixels."""
    if image.shape[0] <= height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def thumbnail(crop: Crop, privacy: config.Privacy) -> bytes:
    """The crop as JPEG, at most 256 pixels high; clear only where some may see it so."""
    image = shrink(crop.image, THUMBNAIL_HEIGHT)
    what = privacy.hidden("crops")
    return hidden.encode(image, crop.faces, what, blurred=not privacy.some_see_clearly)
