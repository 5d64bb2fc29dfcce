"""From a crop to what a network sees; training and inference share it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from reid_models.description import InputSpec
from reid_models.errors import EncoderError

Image = npt.NDArray[np.uint8]


def resize(image: Image, height: int, width: int) -> Image:
    """An H x W x 3 uint8 image at another size: area average to shrink, bilinear to enlarge."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] > height and image.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def to_batch(crops: Sequence[Image], spec: InputSpec) -> npt.NDArray[np.float32]:
    """RGB crops of any size as one normalised float32 batch (N, H, W, 3) in the spec's colours.

    Raises:
        EncoderError: a crop is not uint8 H x W x 3 or is empty.
    """
    batch = np.empty((len(crops), spec.height, spec.width, 3), np.uint8)
    for index, crop in enumerate(crops):
        if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3 or crop.size == 0:
            raise EncoderError(
                f"crop {index} must be uint8 H x W x 3, not {crop.dtype} {crop.shape}"
            )
        batch[index] = resize(crop, spec.height, spec.width)
    if spec.colour == "bgr":
        batch = batch[..., ::-1]
    normalised = batch.astype(np.float32)
    normalised -= np.array(spec.mean, np.float32)
    normalised /= np.array(spec.std, np.float32)
    return normalised
