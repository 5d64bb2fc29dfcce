"""CUHK03, by its new protocol or its old one, with boxes drawn by hand or by a detector.

Three ways to keep it are read (BOXES is ``labeled`` or ``detected``):

* ``BOXES/bounding_box_train``, ``query``, ``bounding_box_test``: the new protocol in Market-1501's
  layout, which its authors distribute as CUHK03-NP;
* ``images_BOXES`` with images called ``PAIR_PERSON_VIEW_NUMBER.png`` (``1_001_1_01.png``), and
  ``cuhk03_new_protocol_config_BOXES.mat`` for the new protocol;
* the same images with ``splits_classic_BOXES.json`` for the old protocol: a list of 20 splits,
  each with ``train``, ``query`` and ``gallery``, lists of ``[file, identity, camera]`` of which
  only the file's name is used.

The old protocol tests on 100 people, single shot: all images of the first view are searched for
among one image each from the second view, drawn at random for each split. The results of the 20
splits are averaged by those who report them. The two views count as cameras 1 and 2.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from train.data.dataset import Found, Sample
from train.data.images import SUFFIXES
from train.data.layouts import market1501
from train.data.layouts.layout import Layout, Options, has, on_disk, read_mat, require
from train.errors import TrainError

_NAME = re.compile(r"(\d)_(\d+)_([12])_(\d+)\.")
_PEOPLE_A_PAIR = 10_000  # more than any pair of cameras has
_HOLDS = (
    "CUHK03 is expected: labeled or detected in Market-1501's layout (CUHK03-NP), or "
    "images_labeled or images_detected with images named like 1_001_1_01.png, beside "
    "cuhk03_new_protocol_config_labeled.mat (new protocol) or splits_classic_labeled.json (old)"
)


def find(folder: Path, options: Options) -> Found:
    """One protocol, kind of boxes and split.

    Raises:
        TrainError: what the protocol needs is missing or cannot be read.
    """
    boxes, split = options["boxes"], int(options["split"])
    if options["protocol"] == "old":
        return _old(folder, boxes, split)
    version = f"new protocol, {boxes}"
    if has(folder, f"{boxes}/{market1501.PARTS[0]}"):
        found = market1501.find(folder / boxes, "cuhk03", version)
        return replace(found, folder=folder)
    return _new(folder, boxes, version)


def _new(folder: Path, boxes: str, version: str) -> Found:
    images, config = f"images_{boxes}", f"cuhk03_new_protocol_config_{boxes}.mat"
    require(folder, _HOLDS, images, config)
    arrays = read_mat(
        folder / config, "filelist", "labels", "camId", "train_idx", "query_idx", "gallery_idx"
    )
    files = [str(np.asarray(cell).item()) for cell in arrays[0].ravel()]
    labels, cameras, *parts = (np.asarray(a).ravel().astype(int).tolist() for a in arrays[1:])
    if not len(files) == len(labels) == len(cameras):
        raise TrainError(f"{folder / config}: filelist, labels and camId differ in length")
    if any(not 1 <= index <= len(files) for part in parts for index in part):
        raise TrainError(f"{folder / config}: speaks of images beyond the {len(files)} listed")
    left_out: list[str] = []
    train, query, gallery = (
        on_disk(
            [Sample(folder / images / files[i - 1], labels[i - 1], cameras[i - 1]) for i in part],
            folder / config,
            left_out,
        )
        for part in parts
    )
    return Found(folder, "cuhk03", train, query, gallery, left_out, version)


def _old(folder: Path, boxes: str, split: int) -> Found:
    images, splits = f"images_{boxes}", f"splits_classic_{boxes}.json"
    require(folder, _HOLDS, images, splits)
    left_out: list[str] = []
    samples = _read_images(folder / images, left_out)
    held = _test_people(folder / splits, split)
    of_person: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.identity in held and sample.camera == 2:
            of_person[sample.identity].append(sample)
    rng = random.Random(f"cuhk03/{split}")  # noqa: S311 - not for secrets
    return Found(
        folder,
        "cuhk03",
        [s for s in samples if s.identity not in held],
        [s for s in samples if s.identity in held and s.camera == 1],
        [rng.choice(of_person[person]) for person in sorted(of_person)],
        left_out,
        f"old protocol, {boxes}, split {split}",
    )


def _read_images(folder: Path, left_out: list[str]) -> list[Sample]:
    samples = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        sample = _sample(path)
        if sample is None:
            left_out.append(f"{path}: the name does not say identity and view (1_001_1_01.png)")
        else:
            samples.append(sample)
    return samples


def _sample(path: Path) -> Sample | None:
    match = _NAME.match(path.name)
    if match is None:
        return None
    return Sample(path, int(match[1]) * _PEOPLE_A_PAIR + int(match[2]), int(match[3]))


def _test_people(file: Path, split: int) -> set[int]:
    """Those whose images the split lists under query or gallery."""
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))[split]
        listed = list(_names([*entry["query"], *entry["gallery"]]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainError(
            f"{file}: no readable split {split} ({type(error).__name__}: {error})"
        ) from None
    samples = [_sample(Path(name)) for name in listed]
    if not samples or None in samples:
        raise TrainError(f"{file}: split {split} lists names that are not like 1_001_1_01.png")
    return {sample.identity for sample in samples if sample is not None}


def _names(entries: Iterable[Any]) -> Iterable[str]:
    for path, *_ in entries:
        yield path


def _fits(folder: Path) -> bool:
    return any(
        has(folder, f"{boxes}/{market1501.PARTS[0]}") or has(folder, f"images_{boxes}")
        for boxes in ("labeled", "detected")
    )


CUHK03 = Layout(
    "cuhk03",
    _HOLDS,
    _fits,
    find,
    {
        "protocol": ["new", "old"],
        "boxes": ["detected", "labeled"],
        "split": [str(split) for split in range(20)],
    },
)
