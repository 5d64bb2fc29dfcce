"""How real and how diverse the views of a GCL generator look.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), table 5.4.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from reid_models import InputSpec
from reid_models.preprocess import Image, resize
from train.data import Augmentation, Crops, Sample, read_image
from train.generation.diversity import intra_identity_ssim
from train.generation.generator import Codes
from train.generation.quality import Judge
from train.generation.views import ViewGenerator
from train.structure.folder import TURNS, StructureMaps

_MOST = 5_000  # images on either side
_BATCH = 32


class Quality(NamedTuple):
    """Attributes: distance of the judge, 0 for what is as real as can be; ssim within people."""

    distance: float
    ssim: float


class Views(NamedTuple):
    """Attributes: generator, in evaluation mode; maps, of the images that it learnt from; spec, of
    these."""

    generator: ViewGenerator
    maps: StructureMaps
    spec: InputSpec


def view_quality(views: Views, samples: Sequence[Sample], judge: Judge, seed: int) -> Quality:
    """Every image once, from another side drawn at random, against the real ones.

    Of more than 5,000 images with maps, 5,000 are drawn. Identities say which images SSIM is
    measured between, and nothing else.

    Args:
        views: what generates.
        samples: what it learnt from.
        judge: what compares.
        seed: of what is drawn.

    Raises:
        TrainError: an image or a map cannot be read, or there are no two images of a person.
    """
    chosen = _drawn(views.maps.split(samples)[0], seed)
    made = list(_views(views, chosen, seed))
    real = [_real(sample, views.spec) for sample in chosen]
    people = [sample.identity for sample in chosen]
    return Quality(judge(real, made), intra_identity_ssim(made, people, seed=seed).ssim)


def real_quality(samples: Sequence[Sample], spec: InputSpec, judge: Judge, seed: int) -> Quality:
    """Every second of the images against the rest, in the size of ``spec``; see `view_quality`."""
    chosen = _drawn(samples, seed)
    images = [_real(sample, spec) for sample in chosen]
    people = [sample.identity for sample in chosen]
    return Quality(
        judge(images[::2], images[1::2]), intra_identity_ssim(images, people, seed=seed).ssim
    )


def _drawn(samples: Sequence[Sample], seed: int) -> Sequence[Sample]:
    if len(samples) <= _MOST:
        return samples
    return random.Random(f"judged/{seed}").sample(list(samples), _MOST)  # noqa: S311


@torch.no_grad()
def _views(views: Views, samples: Sequence[Sample], seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    generator, maps, spec = views
    chance = random.Random(f"views/{seed}")  # noqa: S311 - not for secrets
    device = next(generator.parameters()).device
    crops = Crops(samples, spec, Augmentation())
    for start in range(0, len(samples), _BATCH):
        part = range(start, min(start + _BATCH, len(samples)))
        images = torch.stack([crops[number][0] for number in part]).to(device)
        turned = [
            maps.read(samples[number], chance.choice(TURNS[1:]), spec.height, spec.width)
            for number in part
        ]
        structure = generator.structure_of(torch.stack(turned).to(device))
        made = generator.generate(Codes(generator.identity_of(images).code, structure))
        yield from generator.pixels(made).numpy()


def _real(sample: Sample, spec: InputSpec) -> Image:
    return resize(read_image(sample.path), spec.height, spec.width)
