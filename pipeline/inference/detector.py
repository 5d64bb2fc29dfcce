"""Finds the persons in pictures with a YOLO network of ultralytics.

The network is called directly: ultralytics' own predictor adds work to each frame that nobody
here needs. Letterbox and non-maximum suppression are those that it was trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.weights import load_weights
from pipeline.records import Detections, FloatArray, Image

PERSON = "person"
PADDING = (114, 114, 114)  # the grey that ultralytics trains with
MAX_PERSONS = 300


class Detector:
    """A loaded network; ``detect`` is not safe for several threads at once.

    Raises:
        CamtrailError: the weights are missing, damaged, for another task or know no person, or
            the device is not there.
    """

    def __init__(self, options: config.Detector) -> None:
        self._options = options
        self._device = _device(options.device)
        model = load_weights(options.weights)
        self._classes = dict(model.names)
        self._person = _person_class(self._classes, options.weights)
        self._end_to_end = bool(getattr(model, "end2end", False))
        self._stride = int(model.stride.max())
        self._size = options.image_size or int(model.args["imgsz"])
        self._type = torch.half if options.half and self._device.type == "cuda" else torch.float
        # channels last: measured a quarter faster than torch's default layout on a CPU
        self._model = model.to(self._device, self._type, memory_format=torch.channels_last)

    @property
    def device(self) -> str:
        return str(self._device)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The persons in each picture, at least as sure as the configured confidence.

        Args:
            images: BGR uint8 H x W x 3 of any size; those of one size run as one batch.
        """
        if not images:
            return []
        if any(image.shape != images[0].shape for image in images):
            return [found for image in images for found in self.detect([image])]
        letterbox = self.letterbox(images[0])
        raw = self.forward(np.stack([letterbox.apply(image) for image in images]))
        return [letterbox.undo(rows) for rows in self._suppress(raw)]

    def letterbox(self, image: Image) -> Letterbox:
        """How pictures of this one's size are brought to the network's."""
        height, width = image.shape[:2]
        return Letterbox.fit(height, width, self._size, self._stride)

    def forward(self, batch: Image) -> Any:
        """The bare network on BGR uint8 pictures (n, h, w, 3) of the network's size."""
        # NHWC memory seen as NCHW is torch's channels-last layout; the flip gives RGB.
        pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).flip(1)
        with torch.inference_mode():
            return self._model(pixels.to(self._type).div_(255))

    def _suppress(self, raw: Any) -> list[FloatArray]:
        from ultralytics.utils.nms import non_max_suppression

        rows = non_max_suppression(
            raw,
            conf_thres=self._options.confidence,
            iou_thres=self._options.iou,
            classes=[self._person],
            nc=len(self._classes),
            max_det=MAX_PERSONS,
            end2end=self._end_to_end,
        )
        return [row.float().cpu().numpy() for row in rows]


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
        scale = min(size / height, size / width)
        scaled = max(1, round(height * scale)), max(1, round(width * scale))
        down, across = -scaled[0] % stride, -scaled[1] % stride
        top, left = down // 2, across // 2
        return Letterbox(height, width, scaled, top, down - top, left, across - left)

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


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CamtrailError(
            f"detector.device: {name!r} is no device; use auto, cpu, cuda or cuda:0"
        ) from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise CamtrailError(f"detector.device: {name!r} is not there; found {count} CUDA devices")
    return device


def _person_class(names: dict[int, str], weights: str) -> int:
    """The number of the class of persons: the one called so, or the only one there is."""
    for number, name in names.items():
        if name.lower() == PERSON or len(names) == 1:
            return number
    known = ", ".join(list(names.values())[:10])
    raise CamtrailError(f"{weights}: this detector knows no class 'person', only: {known}")
