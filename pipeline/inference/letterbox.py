"""A camera's picture as a detector network wants to see it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.records import Detections, Image

PADDING = (114, 114, 114)  # the grey that ultralytics trains with


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture scaled to the network's size, its aspect ratio kept, with grey around it.

    Attributes:
        height, width: of the picture in pixels.
        scaled: height and width after scaling, in pixels.
        top, bottom, left, right: grey around it, in pixels.
    """

    height: int
    width: int
    scaled: tuple[int, int]
    top: int
    bottom: int
    left: int
    right: int

    @staticmethod
    def fit(height: int, width: int, size: int, stride: int) -> Letterbox:
        """The smallest rectangle of whole strides around the picture scaled to ``size``."""
        scaled = _scaled(height, width, min(size / height, size / width))
        return _around(height, width, scaled, -scaled[0] % stride, -scaled[1] % stride)

    @staticmethod
    def into(height: int, width: int, down: int, across: int) -> Letterbox:
        """A rectangle of ``down`` times ``across`` pixels, as full of the picture as can be."""
        scaled = _scaled(height, width, min(down / height, across / width))
        return _around(height, width, scaled, down - scaled[0], across - scaled[1])

    def apply(self, image: Image) -> Image:
        height, width = self.scaled
        if image.shape[:2] != self.scaled:
            image = np.asarray(cv2.resize(image, (width, height)), np.uint8)
        return np.asarray(
            cv2.copyMakeBorder(
                image,
                self.top,
                self.bottom,
                self.left,
                self.right,
                cv2.BORDER_CONSTANT,
                value=PADDING,
            ),
            np.uint8,
        )

    def undo(self, rows: npt.NDArray[np.float32]) -> Detections:
        """Rows of (x1, y1, x2, y2, confidence, ...) in the network's pixels, as detections."""
        boxes = rows[:, :4].copy()
        boxes[:, 0::2] = (boxes[:, 0::2] - self.left) * (self.width / self.scaled[1])
        boxes[:, 1::2] = (boxes[:, 1::2] - self.top) * (self.height / self.scaled[0])
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, self.width)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, self.height)
        full = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
        return Detections(boxes[full], rows[full, 4].copy())


def _scaled(height: int, width: int, scale: float) -> tuple[int, int]:
    return max(1, round(height * scale)), max(1, round(width * scale))


def _around(height: int, width: int, scaled: tuple[int, int], down: int, across: int) -> Letterbox:
    """With so many rows and columns of grey in all, half of them on each side."""
    top, left = down // 2, across // 2
    return Letterbox(height, width, scaled, top, down - top, left, across - left)
