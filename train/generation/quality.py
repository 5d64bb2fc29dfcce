"""How real the images of a DG-Net generator look, by one judge for all that are compared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from reid_models import Encoder, InputSpec
from reid_models.preprocess import Image, resize
from train.data import Sample, read_image
from train.errors import TrainError
from train.generation.consistency import identity_consistency
from train.generation.diversity import intra_identity_ssim
from train.generation.fid import encoder_fid, encoder_fid_name, inception_fid, inception_weights
from train.generation.generator import Generator
from train.generation.write import make_images, pair_up

_MOST = 5_000  # images on either side


@dataclass(frozen=True)
class InceptionJudge:
    """FID. Attributes: weights, a file; device."""

    weights: Path
    device: str

    @property
    def name(self) -> str:
        return "FID"

    def __call__(self, real: Sequence[Image], generated: Sequence[Image]) -> float:
        return inception_fid(real, generated, self.weights, self.device)


@dataclass(frozen=True)
class EncoderJudge:
    """The Fréchet distance in an encoder's space. Attributes: encoder."""

    encoder: Encoder

    @property
    def name(self) -> str:
        return encoder_fid_name(self.encoder)

    def __call__(self, real: Sequence[Image], generated: Sequence[Image]) -> float:
        return encoder_fid(self.encoder, real, generated)


Judge = InceptionJudge | EncoderJudge


def open_judge(encoder: Encoder | None, weights: Path | None) -> Judge:
    """An encoder where there is one, else Inception by its weights or by download.

    Raises:
        TrainError: there are neither, nor a network connection, or the file holds other weights.
    """
    if encoder is not None:
        return EncoderJudge(encoder)
    return InceptionJudge(
        inception_weights(weights), "cuda" if torch.cuda.is_available() else "cpu"
    )


def judge_generator(
    generator: Generator, spec: InputSpec, samples: Sequence[Sample], judge: Judge, seed: int
) -> float:
    """Cross-identity images against real ones.

    Each real image once gives its appearance to the pose of another person's image, both drawn at
    random; of more than 5,000 images, 5,000 are drawn. Real ones have the generator's size.

    Args:
        generator: in evaluation mode.
        spec: of its images.
        samples: real images of at least two people.
        judge: what compares.
        seed: of what is drawn.

    Raises:
        TrainError: there is one person only, or an image cannot be read.
    """
    pairings = pair_up(samples, 1, seed)
    if len(pairings) > _MOST:
        pairings = random.Random(f"judged/{seed}").sample(pairings, _MOST)  # noqa: S311
    real = _real([pairing.wearer for pairing in pairings], spec)
    return judge(real, list(make_images(generator, spec, pairings)))


def quality(
    generator: Generator, spec: InputSpec, samples: Sequence[Sample], judge: Judge, seed: int
) -> dict[str, Any]:
    """All that is measured on generated images, beside the same of real ones.

    Of each person every second image gives its appearance once, in the pose of another such image
    of another person; the rest are the real images that the generated ones are compared with,
    so that nobody is recognised by the very image that was copied. Of more than 5,000
    appearances, 5,000 are drawn.

    Args:
        generator: in evaluation mode.
        spec: of its images, whose size the real ones get.
        samples: real images.
        judge: what compares; an encoder also says how many it recognises.
        seed: of what is drawn.

    Returns:
        The judge's distance from real images to generated ones, to other real ones, and to those
        blurred by a Gaussian of 2 pixels at a height of 64; SSIM within people, of real and of
        generated images, where somebody has four; the share of generated images recognised as
        their appearance, and that of real ones recognised as themselves.

    Raises:
        TrainError: there are not two people with two images, or an image cannot be read.
    """
    wearers, others = _halves(samples)
    pairings = pair_up(wearers, 1, seed)
    if len(pairings) > _MOST:
        pairings = random.Random(f"judged/{seed}").sample(pairings, _MOST)  # noqa: S311
    made = list(make_images(generator, spec, pairings))
    worn, real = (_real(part, spec) for part in ([p.wearer for p in pairings], others))
    people = [pairing.wearer.identity for pairing in pairings]
    found: dict[str, Any] = {
        "images": len(made),
        "measure": judge.name,
        "generated": round(judge(real, made), 4),
        "real": round(judge(real, worn), 4),
        "blurred": round(judge(real, [_blurred(image) for image in worn]), 4),
    }
    if max(Counter(people).values()) > 1:
        for name, images in (("generated", made), ("real", worn)):
            similarity = intra_identity_ssim(images, people, seed=seed)
            found["ssim"] = similarity.protocol
            found[f"ssim_{name}"] = round(similarity.ssim, 4)
    if isinstance(judge, EncoderJudge):
        own = [sample.identity for sample in others]
        for name, images in (("recognised", made), ("recognised_real", worn)):
            seen = identity_consistency(judge.encoder, images, people, real, own)
            found[name] = round(seen.recognised, 4)
    return found


def _halves(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Every second image of each person, and the rest."""
    counted: Counter[int] = Counter()
    halves: tuple[list[Sample], list[Sample]] = ([], [])
    for sample in samples:
        halves[(counted[sample.identity] + 1) % 2].append(sample)
        counted[sample.identity] += 1
    if sum(number > 1 for number in counted.values()) < 2:
        raise TrainError("generated images are judged on two people with two images each")
    return halves


def _real(samples: Sequence[Sample], spec: InputSpec) -> list[Image]:
    return [resize(read_image(sample.path), spec.height, spec.width) for sample in samples]


def _blurred(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 2 * image.shape[0] / 64), np.uint8)
