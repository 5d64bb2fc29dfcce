"""SSIM between images of one person: how much alike, or how diverse, a set of images is."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from reid_models.preprocess import Image, resize
from train.errors import TrainError

_HEIGHT, _WIDTH = 128, 64
_SIGMA, _WINDOW = 1.5, 11
_BATCH = 64  # pairs at once


@dataclass(frozen=True)
class Similarity:
    """Attributes: ssim, the mean over the pairs, in [-1, 1]; pairs, how many; protocol."""

    ssim: float
    pairs: int
    protocol: str


def intra_identity_ssim(
    images: Sequence[Image], identities: Sequence[int], pairs_per_identity: int = 10, seed: int = 0
) -> Similarity:
    """Mean SSIM over pairs of images of one identity.

    Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification"
    (2019), section 4.2, compare it for real and generated images without saying which pairs: here
    of each identity all unordered pairs, or ``pairs_per_identity`` of them drawn at random, every
    pair of equal weight, RGB at 128 x 64, Gaussian window of 11 pixels and 1.5 sigma, colours of
    0 to 255. Identities of one image have no pair.

    Args:
        images: RGB uint8 H x W x 3 of any size.
        identities: of each image; of a generated one, whose appearance it was made of.
        pairs_per_identity: at most.
        seed: of the choice.

    Raises:
        TrainError: no identity has two images.
    """
    pairs = _pairs(identities, pairs_per_identity, seed)
    if not pairs:
        raise TrainError("no identity has two images between which SSIM could be measured")
    batches = [pairs[start : start + _BATCH] for start in range(0, len(pairs), _BATCH)]
    total = sum(_sum_of_ssim(images, batch) for batch in batches)
    protocol = (
        f"SSIM within identities, at most {pairs_per_identity} pairs each, RGB {_HEIGHT} x "
        f"{_WIDTH}, window {_WINDOW}, sigma {_SIGMA}, seed {seed}"
    )
    return Similarity(total / len(pairs), len(pairs), protocol)


def _pairs(identities: Sequence[int], most: int, seed: int) -> list[tuple[int, int]]:
    places: dict[int, list[int]] = defaultdict(list)
    for place, identity in enumerate(identities):
        places[identity].append(place)
    rng = random.Random(f"pairs/{seed}")  # noqa: S311 - not for secrets
    chosen: list[tuple[int, int]] = []
    for identity in sorted(places):
        every = list(combinations(places[identity], 2))
        chosen += every if len(every) <= most else rng.sample(every, most)
    return chosen


def _sum_of_ssim(images: Sequence[Image], pairs: Sequence[tuple[int, int]]) -> float:
    x, y = (torch.stack([_tensor(images[pair[side]]) for pair in pairs]) for side in (0, 1))
    found = structural_similarity_index_measure(
        x,
        y,
        gaussian_kernel=True,
        sigma=_SIGMA,
        kernel_size=_WINDOW,
        data_range=1.0,
        reduction="sum",
    )
    assert isinstance(found, torch.Tensor)
    return float(found)


def _tensor(image: Image) -> torch.Tensor:
    resized = resize(image, _HEIGHT, _WIDTH).transpose(2, 0, 1) / np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(resized))
