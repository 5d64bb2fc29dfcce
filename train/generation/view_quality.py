"""How real and how diverse the views of a GCL generator look.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), table 5.4.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from reid_models import InputSpec
from reid_models.networks.network import Network
from reid_models.preprocess import Image, resize
from reid_models.weights import read_encoder
from train.data import Augmentation, Crops, Sample, read_image
from train.errors import TrainError
from train.generation.diversity import intra_identity_ssim
from train.generation.generator import Codes
from train.generation.quality import Judge
from train.generation.views import ViewGenerator
from train.loop.checkpoint import NAME as CHECKPOINT
from train.loop.checkpoint import read_checkpoint
from train.methods.gcl_settings import GclSettings, structure_maps
from train.structure.folder import TURNS, StructureMaps

_MOST = 5_000  # images on either side
_BATCH = 32


class Quality(NamedTuple):
    """Attributes: distance of the judge, 0 for what is as real as can be; ssim within people."""

    distance: float
    ssim: float


class Trained(NamedTuple):
    """Attributes: generator, in evaluation mode; maps, of the images that it learnt from; spec, of
    these."""

    generator: ViewGenerator
    maps: StructureMaps
    spec: InputSpec


def load_views(run: Path) -> Trained:
    """What a run of GCL has trained, which must be done.

    Raises:
        TrainError: there is no checkpoint of that method.
        EncoderError: the run's encoder is missing.
    """
    identity, state = read_checkpoint(run / CHECKPOINT)
    if identity.get("method") != "gcl":
        raise TrainError(f"{run}: is of the method {identity.get('method')}, not of gcl")
    network, description = read_encoder(run / "encoder.safetensors")
    try:
        settings = GclSettings.model_validate(identity["settings"])
        spec = description.input
        generator = ViewGenerator(
            cast(Network, network), settings.parts, settings.generator.width, spec
        )
        prefix = "generator."
        weights = state["models"]["model"]
        generator.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items()})
    except (ValidationError, RuntimeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise TrainError(f"{run / CHECKPOINT}: was made by another version ({reason})") from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Trained(generator.eval().to(device), structure_maps(settings), spec)


def view_quality(run: Path, samples: Sequence[Sample], judge: Judge, seed: int) -> Quality:
    """Every image once, from another side drawn at random, against the real ones.

    Of more than 5,000 images with maps, 5,000 are drawn. Identities say which images SSIM is
    measured between, and nothing else.

    Args:
        run: see `load_views`.
        samples: what it learnt from.
        judge: what compares.
        seed: of what is drawn.

    Raises:
        TrainError: see `load_views`; or an image or a map cannot be read.
    """
    trained = load_views(run)
    chosen = _drawn(trained.maps.split(samples)[0], seed)
    made = list(_views(trained, chosen, seed))
    real = [_real(sample, trained.spec) for sample in chosen]
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
def _views(
    trained: Trained, samples: Sequence[Sample], seed: int
) -> Iterator[npt.NDArray[np.uint8]]:
    generator, maps, spec = trained
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
