"""Market-1501's layout: Market-1501 itself, DukeMTMC-reID, and any other folder that follows it.

``bounding_box_train``, ``query`` and ``bounding_box_test`` hold images called
``IDENTITY_cCAMERA...``, for example ``0002_c1s1_000451_03.jpg``. Identity -1 marks junk and
identity 0 distractors, both in ``bounding_box_test`` only.
"""

from __future__ import annotations

import re
from pathlib import Path

from train.data.dataset import Found, Sample
from train.data.images import SUFFIXES
from train.data.layouts.layout import Layout, Options, has, require

PARTS = ("bounding_box_train", "query", "bounding_box_test")
HOLDS = (
    f"Market-1501's layout is expected: {', '.join(PARTS)} with images named like "
    "0002_c1s1_000451_03.jpg"
)

_NAME = re.compile(r"(-1|\d+)_c(\d+)")
_MARKET = re.compile(r"market[-_ ]?1501")
_DUKE = re.compile(r"\d{4}_c\d_f\d{7}\.")


def find(folder: Path, kind: str = "folder", version: str = "") -> Found:
    """What the names of the files say.

    Raises:
        TrainError: a part is missing.
    """
    require(folder, HOLDS, *PARTS)
    left_out: list[str] = []
    train, query, gallery = (read_part(folder / part, left_out) for part in PARTS)
    return Found(folder, kind, train, query, gallery, left_out, version)


def read_part(folder: Path, left_out: list[str]) -> list[Sample]:
    """The images of one part; names that do not say enough go to ``left_out``."""
    samples = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        match = _NAME.match(path.name)
        if match is None:
            left_out.append(f"{path}: the name does not say identity and camera (0002_c1...)")
        elif int(match[1]) < 1 and folder.name != "bounding_box_test":
            left_out.append(f"{path}: identity {match[1]} belongs in bounding_box_test only")
        else:
            samples.append(Sample(path, int(match[1]), int(match[2])))
    return samples


def _market1501(folder: Path, _: Options) -> Found:
    return find(folder, "market1501")


def _dukemtmc(folder: Path, _: Options) -> Found:
    return find(folder, "dukemtmc")


def _folder(folder: Path, _: Options) -> Found:
    return find(folder)


def _called_market(folder: Path) -> bool:
    return has(folder, *PARTS) and _MARKET.search(folder.resolve().name.lower()) is not None


def _named_as_in_duke(folder: Path) -> bool:
    if not has(folder, *PARTS):
        return False
    first = next((folder / PARTS[0]).glob("*.jpg"), None)
    return first is not None and _DUKE.match(first.name) is not None


MARKET1501 = Layout("market1501", HOLDS, _called_market, _market1501)
DUKEMTMC = Layout("dukemtmc", HOLDS, _named_as_in_duke, _dukemtmc)
FOLDER = Layout("folder", HOLDS, lambda folder: has(folder, *PARTS), _folder)
