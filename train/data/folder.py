"""A folder in Market-1501's layout.

``bounding_box_train``, ``query`` and ``bounding_box_test`` hold images called
``IDENTITY_cCAMERA...``, for example ``0002_c1s1_000451_03.jpg``. Identity -1 marks junk and
identity 0 distractors, both in ``bounding_box_test`` only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from train.errors import TrainError

_PARTS = ("bounding_box_train", "query", "bounding_box_test")
_NAME = re.compile(r"(-1|\d+)_c(\d+)")
_SUFFIXES = {".jpg", ".jpeg", ".png"}


class Sample(NamedTuple):
    """One image of one person in one camera."""

    path: Path
    identity: int
    camera: int


@dataclass(frozen=True)
class DataSet:
    """A data set whose every image was opened once.

    Attributes:
        name: what to call it in reports.
        train: images to learn from.
        query: what is searched for.
        gallery: where it is searched; identity -1 is junk, 0 a distractor.
        left_out: one line a file that was left out, with the reason.
    """

    name: str
    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]
    left_out: list[str]


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """An image as RGB uint8 H x W x 3.

    Raises:
        TrainError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    # ultralytics, once imported, answers an unknown format with an import of its own
    except (
        OSError,
        ValueError,
        SyntaxError,
        ImportError,
        Image.DecompressionBombError,
    ) as error:
        raise TrainError(f"{path}: not a readable image ({error})") from None


def load_folder(folder: Path, name: str) -> DataSet:
    """Find, open and check every image.

    Raises:
        TrainError: a part is missing or empty, identities occur in train and test, or there is
            only one camera.
    """
    if not folder.is_dir():
        raise TrainError(f"{folder}: no such folder, nor a known data set (simulated)")
    missing = [part for part in _PARTS if not (folder / part).is_dir()]
    if missing:
        raise TrainError(
            f"{folder}: {', '.join(missing)} missing; Market-1501's layout is expected: "
            f"{', '.join(_PARTS)} with images named like 0002_c1s1_000451_03.jpg"
        )
    left_out: list[str] = []
    train, query, gallery = (_load_part(folder / part, left_out) for part in _PARTS)
    data = DataSet(name, train, query, gallery, left_out)
    _check(folder, data)
    return data


def _load_part(folder: Path, left_out: list[str]) -> list[Sample]:
    samples = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        match = _NAME.match(path.name)
        if match is None:
            left_out.append(f"{path}: the name does not say identity and camera (0002_c1...)")
        elif int(match[1]) < 1 and folder.name != "bounding_box_test":
            left_out.append(f"{path}: identity {match[1]} belongs in bounding_box_test only")
        else:
            samples.append(Sample(path, int(match[1]), int(match[2])))
    with ThreadPoolExecutor() as pool:
        faults = list(pool.map(_fault, samples))
    left_out.extend(fault for fault in faults if fault is not None)
    return [sample for sample, fault in zip(samples, faults, strict=True) if fault is None]


def _fault(sample: Sample) -> str | None:
    try:
        read_image(sample.path)
    except TrainError as error:
        return str(error)
    return None


def _check(folder: Path, data: DataSet) -> None:
    parts: tuple[Sequence[Sample], ...] = (data.train, data.query, data.gallery)
    for part, samples in zip(_PARTS, parts, strict=True):
        if not samples:
            raise TrainError(f"{folder / part}: no usable image")
    test = {s.identity for s in (*data.query, *data.gallery) if s.identity > 0}
    shared = sorted(test & {s.identity for s in data.train})
    if shared:
        raise TrainError(
            f"{folder}: {len(shared)} identities are in both train and test "
            f"(for example {shared[0]}); the measured quality would be worthless"
        )
    for what, samples in (("train", data.train), ("test", [*data.query, *data.gallery])):
        if len({s.camera for s in samples}) == 1:
            raise TrainError(
                f"{folder}: all {what} images are of camera {samples[0].camera}; "
                "re-identification across cameras needs at least two"
            )
