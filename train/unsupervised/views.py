"""Several views of one image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from reid_models import InputSpec
from train.data import Augmentation, Crops, Draw, Sample


class Views(Dataset[tuple[Tensor, int]]):
    """``(image (3 V, H, W), label)``: one image V times, one above the other, each time changed in
    another way.

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
        self._views = [Crops(samples, spec, augmentation) for augmentation in augmentations]

    def __getitem__(self, index: Draw) -> tuple[Tensor, int]:
        views = [
            crops[index._replace(seed=index.seed ^ number)]
            for number, crops in enumerate(self._views)
        ]
        return torch.cat([image for image, _ in views]), views[0][1]
