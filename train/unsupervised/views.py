"""Several views of one image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from reid_models import InputSpec
from train.data import Augmentation, Crops, Draw, Sample
from train.data.crops import drawn
from train.data.transforms import Transform


class Views(Dataset[tuple[Tensor, int]]):
    """``(image (3 V, H, W), label)``: one image, read once, V times, one above the other, each
    time changed in another way.

    Args:
        samples: what to read.
        spec: size and normalisation of the network's input.
        augmentations: of each view; ``Augmentation()`` leaves the image as it is.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        spec: InputSpec,
        augmentations: Sequence[Augmentation],
    ) -> None:
        self._crops = Crops(samples, spec, Augmentation())
        self._transforms = [Transform(augmentation, spec) for augmentation in augmentations]

    def __getitem__(self, index: Draw) -> tuple[Tensor, int]:
        with drawn(index.seed):
            image, place = self._crops.read(index.image)
        views = []
        for number, transform in enumerate(self._transforms):
            with drawn(index.seed ^ number):
                views.append(transform(image))
        return torch.cat(views), self._crops.labels[place]
