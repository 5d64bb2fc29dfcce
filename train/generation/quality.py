"""How real the images of a DG-Net generator look, by one judge for all that are compared."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from reid_models import Encoder, InputSpec
from reid_models.preprocess import Image, resize
from train.data import Sample, read_image
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
    real = [resize(read_image(p.wearer.path), spec.height, spec.width) for p in pairings]
    return judge(real, list(make_images(generator, spec, pairings)))
