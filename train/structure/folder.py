"""Structure maps on disk.

A folder has eight folders in it, named after the angle in degrees by which a body is turned about
its own vertical axis: ``000`` (as in the image), ``045``, ``090``, ``135``, ``180``, ``225``,
``270``, ``315``. Each holds a picture for each training image, called as the image is and always
ending in ``.png``: the map of ``0002_c1s1_000451_03.jpg`` turned by 90 degrees is
``090/0002_c1s1_000451_03.png``. It is grey, 8 bits, of any size, and shows the body as it lies
in the image (any aspect: image and map are both scaled to the network's input), black where there
is none; how the body is shaded is up to who makes it, if only alike in all maps. Turning goes the
same way round for all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from train.data import Sample
from train.data.images import UNREADABLE
from train.errors import TrainError

TURNS = tuple(range(0, 360, 45))  # degrees
_SUFFIX = ".png"

Map = npt.NDArray[np.uint8]


class StructureMaps:
    """The maps of a data set's training images.

    Args:
        folder: see the module's text.

    Raises:
        TrainError: it is no such folder, or has no map at all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        missing = [name for name in map(angle, TURNS) if not (folder / name).is_dir()]
        if missing:
            raise TrainError(
                f"{folder}: no folder of structure maps: {', '.join(missing)} missing; make one "
                "with camtrail-train structure"
            )
        each = [{file.stem for file in (folder / angle(t)).glob(f"*{_SUFFIX}")} for t in TURNS]
        self._names = set.intersection(*each)
        if not self._names:
            raise TrainError(f"{folder}: no image has maps in all of the {len(TURNS)} folders")

    def split(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
        """The images that have maps from all sides, and those that have not.

        Raises:
            TrainError: none has, or two images have the same name.
        """
        counts = Counter(sample.path.stem for sample in samples)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise TrainError(
                f"structure maps go by the names of images, and {len(twice)} of them occur twice, "
                f"such as {twice[0]}; rename the images"
            )
        having = [sample for sample in samples if sample.path.stem in self._names]
        if not having:
            raise TrainError(
                f"{self.folder}: has maps of other images than these: none is called "
                f"{samples[0].path.stem}{_SUFFIX}; make them of the same data"
            )
        return having, [sample for sample in samples if sample.path.stem not in self._names]

    def read(self, sample: Sample, turn: int, height: int, width: int) -> Tensor:
        """A map (1, height, width), from 0 where there is no body to 1.

        Args:
            sample: of those that have maps.
            turn: one of `TURNS`.
            height: pixels.
            width: pixels.

        Raises:
            TrainError: it cannot be read.
        """
        file = self.folder / angle(turn) / f"{sample.path.stem}{_SUFFIX}"
        try:
            with Image.open(file) as image:
                grey = np.asarray(image.convert("L"))
        except UNREADABLE as error:
            raise TrainError(f"{file}: not a readable structure map ({error})") from None
        shown = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(np.asarray(shown, np.float32) / 255)[None]

    def fingerprint(self) -> str:
        """A digest of the maps' names and sizes."""
        digest = hashlib.sha256()
        for turn in TURNS:
            for name in sorted(self._names):
                file = self.folder / angle(turn) / f"{name}{_SUFFIX}"
                digest.update(f"{turn} {name} {file.stat().st_size}\n".encode())
        return digest.hexdigest()[:32]


def angle(turn: int) -> str:
    """The folder of a turn in degrees."""
    return f"{turn:03}"


def write_maps(folder: Path, name: str, maps: Iterable[Map]) -> None:
    """The maps of one image, in the order of `TURNS`; the folders are made where they are not.

    Raises:
        TrainError: the disk is full.
    """
    for turn, shown in zip(TURNS, maps, strict=True):
        file = folder / angle(turn) / f"{name}{_SUFFIX}"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown).save(file)
        except OSError as error:
            raise TrainError(f"{file}: cannot be written ({error})") from None
