"""MSMT17, whose second version has the faces blurred and other names of the folders.

``train`` and ``test`` (version 1) or ``mask_train_v2`` and ``mask_test_v2`` (version 2), with
``list_train.txt``, ``list_val.txt``, ``list_query.txt`` and ``list_gallery.txt``, whose lines are
``0000/0000_000_01_0303morning_0008_0.jpg 0``: a file and its identity. The camera is the third
number of the name. As is usual, the authors' validation part belongs to the training images.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.data.dataset import Found, Sample
from train.data.layouts.layout import Layout, Options, has, on_disk, read_lines, require
from train.errors import TrainError

_VERSIONS = {
    "version 1": ("train", "test"),
    "version 2": ("mask_train_v2", "mask_test_v2"),
}
_LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
_LINE = re.compile(r"(\S+)\s+(\d+)$")
_CAMERA = re.compile(r"\d+_\d+_(\d+)_")
_HOLDS = (
    f"MSMT17 is expected: {', '.join(_LISTS)}, and the folders train and test (version 1) or "
    "mask_train_v2 and mask_test_v2 (version 2)"
)
_TEST_OFFSET = 10_000  # the lists number the people of train and test from 0 both


def find(folder: Path, _: Options) -> Found:
    """What the lists say.

    Raises:
        TrainError: a list or a folder is missing, or a line says no file and identity.
    """
    require(folder, _HOLDS, *_LISTS)
    there = [version for version, parts in _VERSIONS.items() if has(folder, *parts)]
    if len(there) != 1:
        which = "both versions" if there else "the images of neither version"
        raise TrainError(f"{folder}: holds {which}; {_HOLDS}")
    train, test = (folder / part for part in _VERSIONS[there[0]])
    left_out: list[str] = []
    learn, more, query, gallery = (
        _read(folder / name, images, first, left_out)
        for name, images, first in zip(
            _LISTS, (train, train, test, test), (1, 1, _TEST_OFFSET, _TEST_OFFSET), strict=True
        )
    )
    return Found(folder, "msmt17", learn + more, query, gallery, left_out, there[0])


def _read(file: Path, images: Path, first: int, left_out: list[str]) -> list[Sample]:
    samples = []
    for number, line in enumerate(read_lines(file), start=1):
        match = _LINE.match(line)
        camera = _CAMERA.match(Path(match[1]).name) if match else None
        if match is None or camera is None:
            raise TrainError(
                f"{file}: line {number}: expected a file and its identity, such as "
                f"0000/0000_000_01_0303morning_0008_0.jpg 0, not {line[:80]!r}"
            )
        samples.append(Sample(images / match[1], first + int(match[2]), int(camera[1])))
    return on_disk(samples, file, left_out)


MSMT17 = Layout("msmt17", _HOLDS, lambda folder: has(folder, *_LISTS), find)
