"""From a data set's training images to a folder of structure maps."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.simulate.crops import JOINTS
from train.data import Sample, read_image
from train.errors import TrainError
from train.structure.body import draw_turned
from train.structure.folder import write_maps

FloatArray = npt.NDArray[np.floating[Any]]


class Posed(NamedTuple):
    """Attributes: sample; size, height and width of its image in pixels; joints (17, 3) as of
    `train.structure.body`, None where nobody was found."""

    sample: Sample
    size: tuple[int, int]
    joints: FloatArray | None


class Written(NamedTuple):
    """Attributes: images that have maps now; those in which nobody was found."""

    images: int
    without: list[Path]


def write_structure(
    posed: Iterator[Posed], out: Path, size: tuple[int, int], progress: Callable[[int], None]
) -> Written:
    """Draw everybody from eight sides; the folder appears whole or not at all.

    Args:
        posed: images and where the joints in them are.
        out: the folder; must not exist.
        size: height and width of the maps in pixels.
        progress: called with how many more images were done.

    Raises:
        TrainError: there is something in the way, nobody was found in any image, two images have
            one name, or the disk is full.
    """
    if out.exists():
        raise TrainError(f"{out}: exists; choose another folder")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    names: Counter[str] = Counter()
    without: list[Path] = []
    for found in posed:
        if found.joints is None:
            without.append(found.sample.path)
        else:
            name = found.sample.path.stem
            names[name] += 1
            if names[name] > 1:
                raise TrainError(f"{found.sample.path}: another image has the same name")
            write_maps(partial, name, draw_turned(found.joints, found.size, size))
        progress(1)
    if not names:
        raise TrainError(
            f"nobody was found in any of the {len(without)} images; are they crops of people, and "
            "was the pose model trained on such?"
        )
    partial.replace(out)
    return Written(len(names), without)


def exact_poses(samples: Sequence[Sample]) -> Iterator[Posed]:
    """Of simulated people, as the simulator has drawn them.

    Raises:
        TrainError: the data do not say where the joints are.
    """
    folder = samples[0].path.parent.parent
    places = _kept_joints(folder / JOINTS)
    for sample in samples:
        joints = places.get(sample.path.stem)
        if joints is None:
            raise TrainError(f"{folder / JOINTS}: says nothing of {sample.path.name}")
        height, width = read_image(sample.path).shape[:2]
        yield Posed(sample, (height, width), joints)


def _kept_joints(file: Path) -> dict[str, FloatArray]:
    if not file.is_file():
        raise TrainError(
            f"{file}: no such file: only simulated crops bring the joints of their people along; "
            "for others give a pose model (--pose FILE)"
        )
    try:
        with np.load(file) as kept:
            return dict(zip(kept["names"].tolist(), kept["joints"].astype(float), strict=True))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainError(f"{file}: the joints cannot be read ({error})") from None
