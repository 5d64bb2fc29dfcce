"""VehicleID: vehicles from above the roads of a city, without cameras.

``image`` holds the images; ``train_test_split`` holds ``train_list.txt`` and ``test_list_800.txt``
(and 1600, 2400), whose lines are ``0000001 13``: an image and its vehicle. One image of each
test vehicle, drawn at random, is the gallery, the others are queries; the results of ten draws
(``split`` 0 to 9) are averaged by those who report them.

The data do not say which camera took an image. So that an image is searched for among those of
others, queries count as of camera 1 and the gallery as of camera 2.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from pathlib import Path

from train.data.dataset import Found, Sample
from train.data.layouts.layout import Layout, Options, has, on_disk, read_lines, require
from train.errors import TrainError

_LISTS = Path("train_test_split")
_LINE = re.compile(r"(\d+)\s+(\d+)$")
_HOLDS = (
    "VehicleID is expected: image with images named like 0000001.jpg, and train_test_split with "
    "train_list.txt and test_list_800.txt (1600, 2400)"
)


def find(folder: Path, options: Options) -> Found:
    """The training list, and one draw of a gallery from a test list.

    Raises:
        TrainError: a list or the images are missing, or a line says no image and vehicle.
    """
    size, split = options["size"], options["split"]
    train, test = str(_LISTS / "train_list.txt"), str(_LISTS / f"test_list_{size}.txt")
    require(folder, _HOLDS, "image", train, test)
    left_out: list[str] = []
    images = folder / "image"
    learn = _read(folder / train, images, left_out)
    of_vehicle: dict[int, list[Sample]] = defaultdict(list)
    for sample in _read(folder / test, images, left_out):
        of_vehicle[sample.identity].append(sample)
    rng = random.Random(f"vehicleid/{size}/{split}")  # noqa: S311 - not for secrets
    gallery = [rng.choice(of_vehicle[vehicle]) for vehicle in sorted(of_vehicle)]
    shown = {sample.path for sample in gallery}
    query = [s for group in of_vehicle.values() for s in group if s.path not in shown]
    gallery = [sample._replace(camera=2) for sample in gallery]
    version = f"test size {size}, split {split}"
    return Found(folder, "vehicleid", learn, query, gallery, left_out, version, has_cameras=False)


def _read(file: Path, images: Path, left_out: list[str]) -> list[Sample]:
    samples = []
    for number, line in enumerate(read_lines(file), start=1):
        match = _LINE.match(line)
        if match is None:
            raise TrainError(
                f"{file}: line {number}: expected an image and its vehicle, such as "
                f"0000001 13, not {line[:80]!r}"
            )
        samples.append(Sample(images / f"{match[1]}.jpg", int(match[2]) + 1, 1))
    return on_disk(samples, file, left_out)


VEHICLEID = Layout(
    "vehicleid",
    _HOLDS,
    lambda folder: has(folder, "image", str(_LISTS)),
    find,
    {"size": ["800", "1600", "2400"], "split": [str(split) for split in range(10)]},
)
