"""VeRi-776: vehicles in 20 cameras.

``image_train``, ``image_query`` and ``image_test`` hold images called
``IDENTITY_cCAMERA_FRAME_NUMBER.jpg``; ``name_train.txt``, ``name_query.txt`` and
``name_test.txt`` list those that belong to the data set. The names say everything that is needed
of the XML files of labels, which are not read.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.data.dataset import Found, Sample
from train.data.layouts.layout import Layout, Options, has, on_disk, read_lines, require
from train.errors import TrainError

_FOLDERS = ("image_train", "image_query", "image_test")
_LISTS = ("name_train.txt", "name_query.txt", "name_test.txt")
_NAME = re.compile(r"(\d+)_c(\d+)_")
_HOLDS = (
    f"VeRi-776 is expected: {', '.join(_FOLDERS)} with images named like "
    f"0001_c001_00016450_0.jpg, and {', '.join(_LISTS)}"
)


def find(folder: Path, _: Options) -> Found:
    """What the lists say.

    Raises:
        TrainError: a list or a folder is missing, or a listed name says no identity and camera.
    """
    require(folder, _HOLDS, *_FOLDERS, *_LISTS)
    left_out: list[str] = []
    train, query, gallery = (
        _read(folder / names, folder / images, left_out)
        for names, images in zip(_LISTS, _FOLDERS, strict=True)
    )
    return Found(folder, "veri776", train, query, gallery, left_out)


def _read(file: Path, images: Path, left_out: list[str]) -> list[Sample]:
    samples = []
    for number, name in enumerate(read_lines(file), start=1):
        match = _NAME.match(name)
        if match is None:
            raise TrainError(
                f"{file}: line {number}: expected a name such as 0001_c001_00016450_0.jpg, "
                f"not {name[:80]!r}"
            )
        samples.append(Sample(images / name, int(match[1]), int(match[2])))
    return on_disk(samples, file, left_out)


VERI776 = Layout("veri776", _HOLDS, lambda folder: has(folder, *_FOLDERS), find)
