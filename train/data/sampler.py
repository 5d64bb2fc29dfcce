"""Batches of P identities with K images each, which metric losses need."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch.utils.data import Sampler

from train.errors import TrainError


class Draw(NamedTuple):
    """One image of a batch, and what decides how it is changed this time.

    The seed travels with the index, so that the images are the same whichever worker makes them,
    however many there are, and after a restart in the middle of an epoch.
    """

    image: int
    seed: int


class PKSampler(Sampler[list[Draw]]):
    """Gives lists of P x K draws; the images of an identity are spread over its cameras.

    An epoch has as many batches as hold all images once, or all identities once, whichever is
    more. Identities are drawn without replacement until all have been seen; an identity of fewer
    than K images (or of only one) repeats some, each time changed in another way. The batches
    depend on nothing but the arguments and the epoch.

    Args:
        labels: identity of each image.
        cameras: camera of each image.
        identities: P, at least 2 and at most the number of different labels.
        images: K, at least 2.
        seed: of the order and of the images' changes.
        batches: of an epoch, in place of what is said above.

    Attributes:
        epoch: to be set before each epoch; another gives other batches.
    """

    def __init__(
        self,
        labels: Sequence[int],
        cameras: Sequence[int],
        identities: int,
        images: int,
        seed: int = 0,
        batches: int | None = None,
    ) -> None:
        self._groups: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, (label, camera) in enumerate(zip(labels, cameras, strict=True)):
            self._groups[label][camera].append(index)
        if identities < 2 or images < 2:
            raise TrainError("a batch needs at least 2 identities with at least 2 images each")
        if len(self._groups) < 2:
            raise TrainError(
                f"the training part shows {len(self._groups)} identity; learning to tell people "
                "apart needs two or more"
            )
        if identities > len(self._groups):
            raise TrainError(
                f"a batch of {identities} identities cannot be drawn from {len(self._groups)}; "
                f"set identities_per_batch to at most that"
            )
        self._identities = identities
        self._images = images
        whole = max(len(labels) // (identities * images), len(self._groups) // identities)
        self._length = whole if batches is None else batches
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[Draw]]:
        rng = random.Random(f"{self._seed}/{self.epoch}")  # noqa: S311 - not for secrets
        waiting: list[int] = []
        for _ in range(self._length):
            chosen: list[int] = []
            while len(chosen) < self._identities:
                if not waiting:
                    waiting = list(self._groups)
                    rng.shuffle(waiting)
                    # those already in this batch go to the end: no identity comes twice in one
                    waiting.sort(key=lambda label: label not in chosen)
                chosen.append(waiting.pop())
            indices = [index for label in chosen for index in self._draw(label, rng)]
            yield [Draw(index, rng.getrandbits(63)) for index in indices]

    def _draw(self, label: int, rng: random.Random) -> list[int]:
        """K images, taken in turn from the cameras in random order."""
        piles = [rng.sample(pile, len(pile)) for pile in self._groups[label].values()]
        rng.shuffle(piles)
        turns = max(map(len, piles))
        order = [pile[turn] for turn in range(turns) for pile in piles if turn < len(pile)]
        return [order[i % len(order)] for i in range(self._images)]
