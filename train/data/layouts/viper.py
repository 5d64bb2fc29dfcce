"""VIPeR: 632 people, each once in either of two cameras, parted into halves at random.

``cam_a`` and ``cam_b`` hold images called ``IDENTITY_ANGLE.bmp``, for example ``000_45.bmp``. The
results of ten random partings (``split`` 0 to 9) are averaged by those who report them; camera a
is searched for in camera b.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from train.data.dataset import Found, Sample
from train.data.images import SUFFIXES
from train.data.layouts.layout import Layout, Options, has, require

_CAMERAS = ("cam_a", "cam_b")
_NAME = re.compile(r"(\d+)_\d+\.")
_HOLDS = "VIPeR is expected: cam_a and cam_b with images named like 000_45.bmp"


def find(folder: Path, options: Options) -> Found:
    """One of the partings; the same number always gives the same halves.

    Raises:
        TrainError: a camera's folder is missing.
    """
    require(folder, _HOLDS, *_CAMERAS)
    left_out: list[str] = []
    a, b = (_read(folder / name, camera, left_out) for camera, name in enumerate(_CAMERAS, start=1))
    people = sorted({s.identity for s in a} & {s.identity for s in b})
    rng = random.Random(f"viper/{options['split']}")  # noqa: S311 - not for secrets
    chosen = set(rng.sample(people, len(people) // 2))
    held = set(people) - chosen
    return Found(
        folder,
        "viper",
        [s for s in (*a, *b) if s.identity in chosen],
        [s for s in a if s.identity in held],
        [s for s in b if s.identity in held],
        left_out,
        f"split {options['split']}",
    )


def _read(folder: Path, camera: int, left_out: list[str]) -> list[Sample]:
    samples = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        match = _NAME.match(path.name)
        if match is None:
            left_out.append(f"{path}: the name does not say the identity (000_45.bmp)")
        else:
            samples.append(Sample(path, int(match[1]) + 1, camera))
    return samples


VIPER = Layout(
    "viper",
    _HOLDS,
    lambda folder: has(folder, *_CAMERAS),
    find,
    {"split": [str(split) for split in range(10)]},
)
