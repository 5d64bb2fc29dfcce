"""Training images for torch's loader."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from reid_models.description import InputSpec
from train.data.dataset import Sample
from train.data.images import read_image
from train.data.sampler import Draw
from train.data.transforms import Augmentation, Transform
from train.errors import TrainError

_TRIES = 20  # images in place of an unreadable one, after which the disk is taken to be gone


class Crops(Dataset[tuple[Tensor, int]]):
    """Gives ``(image (3, H, W) float32, label)``; labels are 0 .. number of identities - 1.

    Indexed by a `Draw`, an image is changed as the draw's seed says, in whatever process and
    order; by a number, as torch's global generator has it. An image that has become unreadable
    is replaced by another of the same person, said on stderr and counted.

    Args:
        samples: what to read.
        spec: size and normalisation of the network's input.
        augmentation: how the images are changed.
    """

    def __init__(
        self, samples: Sequence[Sample], spec: InputSpec, augmentation: Augmentation
    ) -> None:
        self._samples = list(samples)
        classes = sorted({sample.identity for sample in samples})
        index = {identity: label for label, identity in enumerate(classes)}
        self.labels = [index[sample.identity] for sample in samples]
        self.cameras = [sample.camera for sample in samples]
        self.classes = len(classes)
        self._transform = Transform(augmentation, spec)
        self._of_label: dict[int, list[int]] = defaultdict(list)
        for number, label in enumerate(self.labels):
            self._of_label[label].append(number)
        self._unreadable = torch.zeros(1, dtype=torch.int64)
        self._unreadable.share_memory_()  # type: ignore[no-untyped-call] # the workers count too
        self._told: set[int] = set()

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int | Draw) -> tuple[Tensor, int]:
        if not isinstance(index, Draw):
            return self._get(index)
        with drawn(index.seed):
            return self._get(index.image)

    @property
    def unreadable(self) -> int:
        """How often an image could not be read and another took its place, in all processes."""
        return int(self._unreadable.item())

    def _get(self, index: int) -> tuple[Tensor, int]:
        image, index = self.read(index)
        return self._transform(image), self.labels[index]

    def read(self, index: int) -> tuple[npt.NDArray[np.uint8], int]:
        """The image, or another in its place; with the number of the one that it is."""
        for number in self._candidates(index):
            try:
                return read_image(self._samples[number].path), number
            except TrainError as error:
                self._unreadable += 1
                if number not in self._told:
                    self._told.add(number)
                    print(f"{error}; another takes its place", file=sys.stderr, flush=True)
        raise TrainError(
            f"{self._samples[index].path} and {_TRIES} others cannot be read any more; "
            "is the disk still there?"
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """The image itself; then others of the same person, then of anybody."""
        yield index
        same = self._of_label[self.labels[index]]
        others = [same[i] for i in torch.randperm(len(same)).tolist() if same[i] != index]
        anybody = torch.randint(len(self._samples), (_TRIES,)).tolist()
        yield from [*others, *anybody][:_TRIES]


@contextmanager
def drawn(seed: int) -> Iterator[None]:
    """What is drawn within from torch's global generator depends on the seed alone."""
    chance = torch.default_generator  # torch.manual_seed would see to the GPUs too: slow
    before = chance.get_state()
    try:
        chance.manual_seed(seed)
        yield
    finally:
        chance.set_state(before)
