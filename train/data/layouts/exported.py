"""The folder that ``camtrail crops export`` writes: crops of a site's own cameras.

Market-1501's layout, of which ``query`` and ``bounding_box_test`` may be missing, with
``dataset.json``, which says what it is, and ``crops.csv``, a row for each file. The columns read
are ``file``, ``identity``, ``camera_number``, ``tracklet_number`` and ``time``.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from train.data.dataset import Found, Sample
from train.data.layouts.layout import Layout, Options, on_disk, require
from train.data.layouts.market1501 import PARTS
from train.errors import TrainError

_DESCRIPTION, _TABLE = "dataset.json", "crops.csv"
_FORMAT = "camtrail crops"
_VERSION = 1
_HOLDS = f"the folder that `camtrail crops export` writes is expected: {_DESCRIPTION}, {_TABLE}"


def find(folder: Path, _: Options) -> Found:
    """What the table says; crops that somebody has deleted since are left out.

    Raises:
        TrainError: a file is missing or is not what the export writes.
    """
    require(folder, _HOLDS, _DESCRIPTION, _TABLE, PARTS[0])
    version = f"labels {_labels(folder / _DESCRIPTION)}"
    left_out: list[str] = []
    rows = on_disk(_read(folder), folder / _TABLE, left_out)
    train, query, gallery = (
        [sample for sample in rows if sample.path.parent.name == part] for part in PARTS
    )
    return Found(folder, "crops", train, query, gallery, left_out, version, needs_test=False)


def _labels(file: Path) -> str:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        name, version, labels = data["format"], data["version"], data["labels"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainError(f"{file}: cannot be read ({type(error).__name__}: {error})") from None
    if name != _FORMAT or version != _VERSION:
        raise TrainError(
            f"{file}: format {name!r} version {version!r}; this program reads {_FORMAT!r} "
            f"version {_VERSION}"
        )
    return str(labels)


def _read(folder: Path) -> list[Sample]:
    file = folder / _TABLE
    try:
        with file.open(encoding="utf-8", newline="") as table:
            return [_sample(folder, row) for row in csv.DictReader(table)]
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise TrainError(f"{file}: cannot be read ({type(error).__name__}: {error})") from None


def _sample(folder: Path, row: dict[str, str]) -> Sample:
    part, name = row["file"].split("/")
    if part not in PARTS or name in ("", ".", ".."):
        raise ValueError(f"{row['file']!r} is in none of {', '.join(PARTS)}")
    return Sample(
        folder / part / name,
        int(row["identity"]),
        int(row["camera_number"]),
        int(row["tracklet_number"]),
        float(row["time"]),
    )


def _fits(folder: Path) -> bool:
    try:
        data = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        return bool(data["format"] == _FORMAT)
    except (OSError, ValueError, LookupError, TypeError):
        return False


CROPS = Layout("crops", _HOLDS, _fits, find)
