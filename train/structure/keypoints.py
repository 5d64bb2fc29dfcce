"""Where the joints of people are in pictures of them: by a network of our own, or by a YOLO-pose
network of ultralytics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reid_models.preprocess import to_batch
from train.data import Sample, read_image
from train.errors import TrainError
from train.structure.lift import lift
from train.structure.pose_network import JOINTS, SPEC, PoseNetwork, read_pose
from train.structure.write import Posed
from train.yolo import quiet_ultralytics

FloatArray = npt.NDArray[np.floating[Any]]
Image = npt.NDArray[np.uint8]

_BATCH = 32
_LARGEST = 256  # pixels of YOLO's input; crops have no more to show
_LEAST = 0.05  # confidence of a person; a crop is known to show one


class Finder(Protocol):
    """Finds 17 keypoints, COCO's, of the person that a picture shows."""

    def find(self, images: Sequence[Image]) -> Sequence[FloatArray | None]:
        """For each RGB image (17, 3): x, y in pixels and confidence; None where there is nobody."""


def open_pose(weights: Path) -> Finder:
    """The network in a file that ``camtrail-train pose`` has written (``.safetensors``), or one of
    ultralytics (``.pt``). Loading the latter runs what it holds: take it from whom you trust.

    Raises:
        TrainError: there is no such file, or it holds another network.
    """
    if not weights.is_file():
        raise TrainError(
            f"{weights}: no such file; train a pose model with camtrail-train pose, or name "
            "the weights of one of ultralytics' (yolo11n-pose.pt)"
        )
    return OwnPose(read_pose(weights)) if weights.suffix == ".safetensors" else YoloPose(weights)


class OwnPose:
    """The network of `train.structure.pose`, which takes every picture to show a person."""

    def __init__(self, network: PoseNetwork) -> None:
        self._network = network
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def find(self, images: Sequence[Image]) -> list[FloatArray]:
        """See `Finder`; the confidence is that the joint lies within the picture."""
        found = []
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            places = self._network(as_input(part).to(self._device))
            sizes = np.array([(image.shape[1], image.shape[0]) for image in part])
            points = places.points.cpu().numpy() * sizes[:, None]
            confidence = places.inside.sigmoid()[..., None].cpu().numpy()
            found += list(np.concatenate([points, confidence], axis=2).astype(np.float64))
        return found


class YoloPose:
    """A network of ultralytics; of several people the one who shows most counts.

    Raises:
        TrainError: the file holds another network.
    """

    def __init__(self, weights: Path) -> None:
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
        """See `Finder`."""
        turned = [np.ascontiguousarray(image[..., ::-1]) for image in images]
        found = self._model.predict(turned, imgsz=self._size, conf=_LEAST, max_det=5, verbose=False)
        return [_most(each) for each in found]


def _most(result: Any) -> FloatArray | None:
    boxes = result.boxes
    if not len(boxes):
        return None
    shown = boxes.conf * (boxes.xywh[:, 2] * boxes.xywh[:, 3])
    return np.asarray(result.keypoints.data[int(shown.argmax())].cpu().numpy(), np.float64)


def as_input(images: Sequence[Image]) -> Tensor:
    """RGB images of any size as the own network's input (N, 3, 128, 64)."""
    return torch.from_numpy(to_batch(images, SPEC)).permute(0, 3, 1, 2)


def found_poses(samples: Sequence[Sample], model: Finder) -> Iterator[Posed]:
    """The people of images, with depth as `lift` makes it up."""
    for start in range(0, len(samples), _BATCH):
        part = samples[start : start + _BATCH]
        images = [read_image(sample.path) for sample in part]
        for sample, image, points in zip(part, images, model.find(images), strict=True):
            joints = None if points is None else lift(points)
            yield Posed(sample, (image.shape[0], image.shape[1]), joints)
