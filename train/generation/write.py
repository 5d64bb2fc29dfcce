"""Generated images as a data set that the other methods can learn from."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from reid_models import InputSpec
from train.data import Augmentation, Crops, DataSet, Sample
from train.data.layouts.market1501 import PARTS
from train.errors import TrainError
from train.generation.generator import Codes, Generator

_BATCH = 32
_QUALITY = 95  # of JPEG; with all colours, which matter as much as edges in small images
_REAL, _GENERATED = 1, 2  # sequences in the files' names


@dataclass(frozen=True)
class Pairing:
    """Who is generated: ``wearer`` gives appearance and identity, ``pose`` all the rest."""

    wearer: Sample
    pose: Sample


def pair_up(samples: Sequence[Sample], each: int, seed: int) -> list[Pairing]:
    """Every image as a wearer ``each`` times, in the poses of other people drawn at random.

    Raises:
        TrainError: there is one person only.
    """
    if len({sample.identity for sample in samples}) < 2:
        raise TrainError("images are generated from two people, and the data have one to train")
    chance = random.Random(f"pairs/{seed}")  # noqa: S311 - not for secrets
    pairings = []
    for wearer in samples:
        for _ in range(each):
            pose = wearer
            while pose.identity == wearer.identity:
                pose = chance.choice(samples)
            pairings.append(Pairing(wearer, pose))
    return pairings


def write_data_set(
    generator: Generator,
    spec: InputSpec,
    data: DataSet,
    pairings: Sequence[Pairing],
    out: Path,
    with_real: bool,
    progress: Callable[[int], None],
) -> None:
    """A folder in Market-1501's layout: generated images to train on, the data's own test part.

    A generated image has the identity of who gave the appearance, and the camera of the image
    that gave the structure, whose background it shows. The folder appears whole or not at all.

    Args:
        generator: in evaluation mode.
        spec: of its images.
        data: where the pairings are from.
        pairings: see `pair_up`.
        out: the folder; must not exist.
        with_real: whether the real training images are there too.
        progress: called with how many more images were generated.

    Raises:
        TrainError: there is something in the way, or an image cannot be read.
    """
    if out.exists():
        raise TrainError(f"{out}: exists; choose another folder")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    train, query, gallery = (partial / part for part in PARTS)
    for folder in (train, query, gallery):
        folder.mkdir(parents=True)
    _generate(generator, spec, pairings, train, progress)
    if with_real:
        _copy(data.train, train)
    _copy(data.query, query)
    _copy(data.gallery, gallery)
    partial.replace(out)


def _generate(
    generator: Generator,
    spec: InputSpec,
    pairings: Sequence[Pairing],
    folder: Path,
    progress: Callable[[int], None],
) -> None:
    images = make_images(generator, spec, pairings)
    for number, (pairing, pixels) in enumerate(zip(pairings, images, strict=True)):
        name = _name(pairing.wearer.identity, pairing.pose.camera, _GENERATED, number, ".jpg")
        Image.fromarray(pixels).save(folder / name, quality=_QUALITY, subsampling=0)
        progress(1)


@torch.no_grad()
def make_images(
    generator: Generator, spec: InputSpec, pairings: Sequence[Pairing]
) -> Iterator[npt.NDArray[np.uint8]]:
    """An RGB uint8 image H x W x 3 for each pairing.

    Args:
        generator: in evaluation mode.
        spec: of its images.
        pairings: see `pair_up`.
    """
    device = next(generator.parameters()).device
    for start in range(0, len(pairings), _BATCH):
        part = pairings[start : start + _BATCH]
        wearers, poses = (
            _read([getattr(pairing, role) for pairing in part], spec).to(device)
            for role in ("wearer", "pose")
        )
        codes = Codes(generator.network.code(wearers), generator.structure_of(poses))
        yield from generator.pixels(generator.generate(codes)).numpy()


def _read(samples: Sequence[Sample], spec: InputSpec) -> Tensor:
    crops = Crops(samples, spec, Augmentation())
    return torch.stack([crops[number][0] for number in range(len(samples))])


def _copy(samples: Sequence[Sample], folder: Path) -> None:
    for number, sample in enumerate(samples):
        name = _name(sample.identity, sample.camera, _REAL, number, sample.path.suffix)
        shutil.copyfile(sample.path, folder / name)


def _name(identity: int, camera: int, sequence: int, number: int, suffix: str) -> str:
    """As Market-1501 has it: identity, camera, sequence, frame, box."""
    who = f"{identity:04}" if identity >= 0 else str(identity)
    return f"{who}_c{camera}s{sequence}_{number:06}_00{suffix}"
