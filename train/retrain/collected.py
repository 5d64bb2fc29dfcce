"""The crops of a site: what is learnt from, and what is kept to measure on."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from train.data import Sample, open_data
from train.data.dataset import cameras
from train.errors import TrainError

TABLE = "crops.csv"
LEAST_TRACKLETS = 16  # on either side; with fewer neither clusters nor figures mean anything
LEAST_PEOPLE = 5  # confirmed ones, seen by several cameras, to measure on

Key = tuple[int, int | None]  # camera and number of a tracklet


class Crop(NamedTuple):
    """A crop, and what the table says of it beside.

    Attributes:
        sample: its identity is that of the person who confirmed its tracklet, 0 where nobody did.
        quality: in [0, 1].
    """

    sample: Sample
    quality: float


@dataclass(frozen=True)
class Parted:
    """The crops by what they are used for.

    Attributes:
        train: to learn from; identities as of `Crop`, for reports alone.
        test: of the newest tracklets.
        query: of the confirmed people among these whom several cameras saw, the best crop in each
            camera; empty where they are fewer than `LEAST_PEOPLE`.
        gallery: all crops of confirmed people in ``test``.
    """

    train: list[Sample]
    test: list[Sample]
    query: list[Sample]
    gallery: list[Sample]


def read_crops(folder: Path) -> list[Crop]:
    """What ``camtrail crops export`` wrote; images that cannot be read are left out.

    Raises:
        TrainError: the folder is something else, or all crops are of one camera.
    """
    samples = open_data(f"crops:{folder},unchecked").train
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as table:
            rows = {row["file"]: row for row in csv.DictReader(table)}
        return [
            _crop(sample, rows[f"{sample.path.parent.name}/{sample.path.name}"])
            for sample in samples
        ]
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise TrainError(
            f"{folder / TABLE}: cannot be read ({type(error).__name__}: {error})"
        ) from None


def _crop(sample: Sample, row: dict[str, str]) -> Crop:
    return Crop(sample._replace(identity=int(row["confirmed"] or 0)), float(row["quality"]))


def part(crops: Sequence[Crop], share: float) -> Parted:
    """By time and identity: the newest tracklets are measured on, and of the people who are
    recognised there nothing is learnt.

    Args:
        crops: of a site.
        share: of the tracklets that is kept to measure on, in (0, 1).

    Raises:
        TrainError: there are too few tracklets, or those to learn from are of one camera.
    """
    starts: dict[Key, float] = {}
    for sample, _ in crops:
        assert sample.time is not None  # the table has one for each
        key = (sample.camera, sample.tracklet)
        starts[key] = min(sample.time, starts.get(key, sample.time))
    order = sorted(starts, key=lambda key: (starts[key], key))
    number = round(share * len(order))
    if min(number, len(order) - number) < LEAST_TRACKLETS:
        raise TrainError(
            f"{len(order)} tracklets, of which {number} are the newest share of {share:g} to "
            f"measure on: learning and measuring need {LEAST_TRACKLETS} each at least; let the "
            "site collect more, or give another --test"
        )
    newest = set(order[len(order) - number :])
    test = [crop for crop in crops if (crop.sample.camera, crop.sample.tracklet) in newest]
    query, gallery = _people(test)
    known = {sample.identity for sample in gallery}
    train = [
        sample
        for sample, _ in crops
        if (sample.camera, sample.tracklet) not in newest and sample.identity not in known
    ]
    _check(train)
    return Parted(train, [sample for sample, _ in test], query, gallery)


def _people(test: Sequence[Crop]) -> tuple[list[Sample], list[Sample]]:
    """Queries and gallery of confirmed people; both empty where these are too few."""
    seen: dict[int, dict[int, Crop]] = defaultdict(dict)
    confirmed = [crop for crop in test if crop.sample.identity > 0]
    for crop in confirmed:
        best = seen[crop.sample.identity]
        camera = crop.sample.camera
        if camera not in best or crop.quality > best[camera].quality:
            best[camera] = crop
    several = [best for best in seen.values() if len(best) > 1]
    if len(several) < LEAST_PEOPLE:
        return [], []
    query = [crop.sample for best in several for crop in best.values()]
    return query, [crop.sample for crop in confirmed]


def _check(train: Sequence[Sample]) -> None:
    left = {(sample.camera, sample.tracklet) for sample in train}
    if len(left) < LEAST_TRACKLETS:
        raise TrainError(
            f"{len(left)} tracklets are left to learn from once the confirmed people to measure on "
            f"are taken out; it needs {LEAST_TRACKLETS}: let the site collect more"
        )
    if len(cameras(train)) < 2:
        raise TrainError(
            f"all crops to learn from are of camera {train[0].camera}; re-identification across "
            "cameras needs at least two"
        )
