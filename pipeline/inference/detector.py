"""Finds the persons in pictures with a YOLO network of ultralytics.

The network is called directly: ultralytics' own predictor adds work to each frame that nobody
here needs. Letterbox and non-maximum suppression give what its own give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline import config
from pipeline.errors import CamtrailError
from pipeline.inference.letterbox import Letterbox
from pipeline.inference.runtimes import open_network
from pipeline.inference.suppression import MAX_PERSONS, suppress
from pipeline.records import Detections, FloatArray, Image

PERSON = "person"


class Detector:
    """A loaded network, for any number of threads at once.

    Args:
        options: which file, and what counts as a person.
        threads: that its networks may use together on a processor; None: all cores. Torch's
            threads are the process' own.

    Attributes:
        size: of the longer side of the pictures that the network sees, in pixels.
        stride: of whose multiples their sides are.
        shape: height and width of those pictures where it takes no others; else None.

    Raises:
        CamtrailError: the weights are missing, damaged, for another task, of other pictures than
            ``image_size`` or know no person, or the device is not there.
    """

    def __init__(self, options: config.Detector, threads: int | None = None) -> None:
        self._options = options
        self._network = open_network(options, threads)
        self._person = _person_class(self._network.names, options.weights)
        self.stride = self._network.stride
        self.size = options.image_size or self._network.size
        self.shape = self._network.shape
        if self.shape is not None and self.size != max(self.shape):
            raise CamtrailError(
                f"detector.image_size: {options.weights} takes pictures of {max(self.shape)} "
                f"pixels alone, not {self.size}; leave it out, or export one that takes any size"
            )

    @property
    def device(self) -> str:
        return self._network.device

    @property
    def at_once(self) -> int:
        """How many calls of `detect` at a time keep the device at work."""
        return self._network.at_once

    def share(self, networks: int) -> Callable[[], None]:
        """What each of so many threads that call `detect` at a time has to call first."""
        return self._network.share(networks)

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
        if self.shape is not None:
            return Letterbox.into(height, width, *self.shape)
        return Letterbox.fit(height, width, self.size, self.stride)

    def forward(self, batch: Image) -> Any:
        """The bare network on BGR uint8 pictures (n, h, w, 3) of the network's size."""
        return self._network(batch)

    def find(self, batch: Image) -> list[FloatArray]:
        """Of each picture of a batch, as `forward` takes it, the persons in its own pixels.

        Rows of (x1, y1, x2, y2, confidence), the surest first, at most 300. The same as
        ultralytics' `non_max_suppression`, which takes longer since it also follows the boxes of
        no confidence and of other classes.
        """
        read = self._chosen if self._network.end_to_end else self._suppressed
        return [read(picture) for picture in self.forward(batch)]

    def _chosen(self, rows: Any) -> FloatArray:
        """Of (n, 6): box, confidence, class. The network itself leaves one box a person."""
        sure = (rows[:, 4] > self._options.confidence) & (rows[:, 5] == self._person)
        return _here(rows[sure, :5])[:MAX_PERSONS]

    def _suppressed(self, columns: Any) -> FloatArray:
        """Of (4 + classes, n): centre, width and height of the box, a score for each class."""
        sure = columns[4 + self._person] > self._options.confidence
        boxes, scores = np.split(_here(columns[:, sure]).T, [4], axis=1)
        person = scores[:, self._person] == scores.max(1)
        boxes, scores = boxes[person], scores[person, self._person]
        half = boxes[:, 2:] / 2
        boxes = np.hstack((boxes[:, :2] - half, boxes[:, :2] + half))
        kept = suppress(boxes, scores, self._options.iou, MAX_PERSONS)
        return np.hstack((boxes, scores[:, None]))[kept]


def _here(found: Any) -> FloatArray:
    """An array, or a tensor that may be on a GPU, as float32 array."""
    return np.asarray(found.float().cpu() if hasattr(found, "cpu") else found, np.float32)


def _person_class(names: dict[int, str], weights: str) -> int:
    """The number of the class of persons: the one called so, or the only one there is."""
    for number, name in names.items():
        if name.lower() == PERSON or len(names) == 1:
            return number
    known = ", ".join(list(names.values())[:10])
    raise CamtrailError(f"{weights}: this detector knows no class 'person', only: {known}")
