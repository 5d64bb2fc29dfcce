"""Training images for torch's loader, with the changes that teach what to ignore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from reid_models.description import InputSpec
from reid_models.preprocess import resize
from train.data.folder import Sample, read_image


class Crops(Dataset[tuple[Tensor, int]]):
    """Gives ``(image (3, H, W) float32, label)``; labels are 0 .. number of identities - 1.

    Args:
        samples: what to read.
        spec: size and normalisation of the network's input.
    """

    def __init__(self, samples: Sequence[Sample], spec: InputSpec) -> None:
        self._samples = list(samples)
        classes = sorted({sample.identity for sample in samples})
        index = {identity: label for label, identity in enumerate(classes)}
        self.labels = [index[sample.identity] for sample in samples]
        self.cameras = [sample.camera for sample in samples]
        self.classes = len(classes)
        self._spec = spec
        self._augment = _augmentation(spec)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = read_image(self._samples[index].path)
        image = another_camera(resize(image, self._spec.height, self._spec.width))
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return cast(Tensor, self._augment(tensor)), self.labels[index]


def another_camera(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The RGB image as a camera of another white balance, gamma, exposure and contrast saw it.

    torchvision's colour jitter has no white balance and no gamma, which are what differs most
    between real cameras, and costs ten times this table.
    """
    gains = torch.empty(3).uniform_(0.88, 1.14).numpy()
    gamma, exposure, contrast = torch.empty(3).uniform_(-1, 1).numpy()
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    curve = (levels ** (2 ** (0.6 * gamma))) * gains * (1 + 0.2 * exposure)
    curve = (curve - 0.5) * (1 + 0.25 * contrast) + 0.5
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _augmentation(spec: InputSpec) -> v2.Compose:
    mean = [value / 255 for value in spec.mean]
    std = [value / 255 for value in spec.std]
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(degrees=3, translate=(0.06, 0.06), scale=(0.88, 1.12)),
            v2.ToDtype(torch.float32, scale=True),
            v2.ColorJitter(saturation=0.5),
            v2.RandomApply([v2.GaussianBlur(5, sigma=(0.3, 1.5))], p=0.3),
            v2.Normalize(mean, std),
            v2.RandomErasing(p=0.5, scale=(0.02, 0.3)),
        ]
    )
