"""Where the joints of people are in pictures of them, by a YOLO-pose network of ultralytics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from train.data import Sample, read_image
from train.errors import TrainError
from train.structure.lift import lift
from train.structure.write import Posed
from train.yolo import quiet_ultralytics

FloatArray = npt.NDArray[np.floating[Any]]
Image = npt.NDArray[np.uint8]

JOINTS = 17
_BATCH = 32
_LARGEST = 256  # pixels of the network's input; crops have no more to show
_LEAST = 0.05  # confidence of a person; a crop is known to show one


class PoseModel:
    """Finds 17 keypoints, COCO's, of the person that a picture shows.

    Args:
        weights: file of a network that ``camtrail-train pose`` or ultralytics has trained. Loading
            it runs what it holds: take it from whom you trust.

    Raises:
        TrainError: there is no such file, or it holds another network.
    """

    def __init__(self, weights: Path) -> None:
        if not weights.is_file():
            raise TrainError(
                f"{weights}: no such file; train a pose model with camtrail-train pose, or name "
                "the weights of one of ultralytics' (yolo11n-pose.pt)"
            )
        ultralytics = quiet_ultralytics()
        try:
            self._model: Any = ultralytics.YOLO(str(weights))
            shape = tuple(getattr(self._model.model, "kpt_shape", ()))
        except Exception as error:  # whatever the file makes of itself
            reason = str(error).partition("\n")[0]
            raise TrainError(f"{weights}: not a network of ultralytics' ({reason})") from None
        if self._model.task != "pose" or shape[:1] != (JOINTS,):
            raise TrainError(
                f"{weights}: is for {self._model.task}, not a pose network of {JOINTS} keypoints"
            )
        self._size = min(_LARGEST, int(self._model.overrides.get("imgsz", _LARGEST)))

    def find(self, images: Sequence[Image]) -> list[FloatArray | None]:
        """For each RGB image (17, 3): x, y in pixels and confidence of the person who shows most;
        None where there is nobody."""
        turned = [np.ascontiguousarray(image[..., ::-1]) for image in images]
        found = self._model.predict(turned, imgsz=self._size, conf=_LEAST, max_det=5, verbose=False)
        return [_most(each) for each in found]


def _most(result: Any) -> FloatArray | None:
    boxes = result.boxes
    if not len(boxes):
        return None
    shown = boxes.conf * (boxes.xywh[:, 2] * boxes.xywh[:, 3])
    return np.asarray(result.keypoints.data[int(shown.argmax())].cpu().numpy(), np.float64)


def found_poses(samples: Sequence[Sample], model: PoseModel) -> Iterator[Posed]:
    """The people of images, with depth as `lift` makes it up."""
    for start in range(0, len(samples), _BATCH):
        part = samples[start : start + _BATCH]
        images = [read_image(sample.path) for sample in part]
        for sample, image, points in zip(part, images, model.find(images), strict=True):
            joints = None if points is None else lift(points)
            yield Posed(sample, (image.shape[0], image.shape[1]), joints)
