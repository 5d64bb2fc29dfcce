"""Batches of images in random order, whoever they show."""

from __future__ import annotations

import random
from collections.abc import Iterator

from train.data.sampler import Draw


class Shuffled:
    """Gives lists of draws; an epoch holds each image once, but for those that fill no batch.

    Args:
        images: how many there are; they repeat where a batch is larger.
        size: of a batch.
        seed: of the order and of the images' changes.
        batches: of an epoch, in place of what is said above.

    Attributes:
        epoch: to be set before each epoch; another gives other batches.
    """

    def __init__(self, images: int, size: int, seed: int, batches: int | None = None) -> None:
        self._images, self._size, self._seed = images, size, seed
        self._length = max(1, images // size) if batches is None else batches
        self.epoch = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[Draw]]:
        chance = random.Random(f"{self._seed}/{self.epoch}")  # noqa: S311 - not for secrets
        waiting: list[int] = []
        for _ in range(self._length):
            while len(waiting) < self._size:
                waiting = chance.sample(range(self._images), self._images) + waiting
            batch = [waiting.pop() for _ in range(self._size)]
            yield [Draw(image, chance.getrandbits(63)) for image in batch]
