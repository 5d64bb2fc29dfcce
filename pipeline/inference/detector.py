"""Finds the persons in pictures with a YOLO network of ultralytics.

The network is called directly: ultralytics' own predictor adds work to each frame that nobody
here needs. Letterbox and non-maximum suppression give what its own give.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.letterbox import Letterbox
from pipeline.inference.suppression import MAX_PERSONS, suppress
from pipeline.inference.weights import load_weights
from pipeline.records import Detections, FloatArray, Image

PERSON = "person"
_MOST = 8  # networks at once; each holds its pictures and layers in memory


class Detector:
    """A loaded network, for any number of threads at once.

    Attributes:
        size: of the longer side of the pictures that the network sees, in pixels.
        stride: of whose multiples their sides are.

    Raises:
        CamtrailError: the weights are missing, damaged, for another task or know no person, or
            the device is not there.
    """

    def __init__(self, options: config.Detector) -> None:
        self._options = options
        self._device = _device(options.device)
        model = load_weights(options.weights, options.sha256)
        self._classes = dict(model.names)
        self._person = _person_class(self._classes, options.weights)
        self._end_to_end = bool(getattr(model, "end2end", False))
        self.stride = int(model.stride.max())
        self.size = options.image_size or int(model.args["imgsz"])
        self._type = torch.half if options.half and self._device.type == "cuda" else torch.float
        # channels last: measured a quarter faster than torch's default layout on a CPU
        self._model = model.to(self._device, self._type, memory_format=torch.channels_last)
        self._own = threading.local()

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def at_once(self) -> int:
        """How many calls of `detect` at a time keep the device at work."""
        return min(torch.get_num_threads(), _MOST) if self.device == "cpu" else 1

    def share(self, networks: int) -> Callable[[], None]:
        """What each of so many threads that call `detect` at a time has to call first."""
        threads = max(1, torch.get_num_threads() // networks)
        return lambda: torch.set_num_threads(threads)

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
        found = self.find(np.stack([letterbox.apply(image) for image in images]))
        return [letterbox.undo(rows) for rows in found]

    def letterbox(self, image: Image) -> Letterbox:
        """How pictures of this one's size are brought to the network's."""
        height, width = image.shape[:2]
        return Letterbox.fit(height, width, self.size, self.stride)

    def forward(self, batch: Image) -> Any:
        """The bare network on BGR uint8 pictures (n, h, w, 3) of the network's size."""
        # NHWC memory seen as NCHW is torch's channels-last layout; the flip gives RGB.
        pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).flip(1)
        with torch.inference_mode():
            return self._network()(pixels.to(self._type).div_(255))

    def find(self, batch: Image) -> list[FloatArray]:
        """Of each picture of a batch, as `forward` takes it, the persons in its own pixels.

        Rows of (x1, y1, x2, y2, confidence), the surest first, at most 300. The same as
        ultralytics' `non_max_suppression`, which takes longer since it also follows the boxes of
        no confidence and of other classes.
        """
        raw = self.forward(batch)
        output = raw[0] if isinstance(raw, (list, tuple)) else raw
        with torch.inference_mode():
            read = self._chosen if self._end_to_end else self._suppressed
            return [read(picture) for picture in output]

    def _network(self) -> Any:
        """The calling thread's copy: ultralytics' head keeps notes on the size of its input."""
        if not hasattr(self._own, "network"):
            weights = {id(weight): weight for weight in self._model.parameters()}
            self._own.network = copy.deepcopy(self._model, weights)  # the weights are shared
        return self._own.network

    def _chosen(self, rows: torch.Tensor) -> FloatArray:
        """Of (n, 6): box, confidence, class. The network itself leaves one box a person."""
        sure = (rows[:, 4] > self._options.confidence) & (rows[:, 5] == self._person)
        return np.asarray(rows[sure, :5].float().cpu()[:MAX_PERSONS])

    def _suppressed(self, columns: torch.Tensor) -> FloatArray:
        """Of (4 + classes, n): centre, width and height of the box, a score for each class."""
        sure = columns[4 + self._person] > self._options.confidence
        boxes, scores = np.split(np.asarray(columns[:, sure].float().cpu()).T, [4], axis=1)
        person = scores[:, self._person] == scores.max(1)
        boxes, scores = boxes[person], scores[person, self._person]
        half = boxes[:, 2:] / 2
        boxes = np.hstack((boxes[:, :2] - half, boxes[:, :2] + half))
        kept = suppress(boxes, scores, self._options.iou, MAX_PERSONS)
        return np.hstack((boxes, scores[:, None]))[kept]


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
