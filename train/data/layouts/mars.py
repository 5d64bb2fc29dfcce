"""MARS: tracklets of people in six cameras.

``bbox_train`` and ``bbox_test`` hold the images, in a folder for each identity; ``info`` holds
``train_name.txt`` and ``test_name.txt`` (the images in order), ``tracks_train_info.mat`` and
``tracks_test_info.mat`` (a row for each tracklet: first and last image, identity, camera) and
``query_IDX.mat`` (which test tracklets are queries). Identity -1 is junk, identity 0 distractors.

As in the authors' own evaluation, the gallery is all test tracklets, the queries among them:
a query meets itself in its own camera only, where nothing counts, and without the other queries
some would have no match at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from train.data.dataset import Found, Sample
from train.data.layouts.layout import Layout, Options, has, on_disk, read_lines, read_mat, require
from train.errors import TrainError

_FOLDERS = ("bbox_train", "bbox_test", "info")
_FILES = tuple(
    f"info/{name}"
    for name in (
        "train_name.txt",
        "test_name.txt",
        "tracks_train_info.mat",
        "tracks_test_info.mat",
        "query_IDX.mat",
    )
)
_HOLDS = f"MARS is expected: {', '.join((*_FOLDERS[:2], *_FILES))}"


def find(folder: Path, _: Options) -> Found:
    """What the lists and tables say.

    Raises:
        TrainError: one is missing, cannot be read, or does not fit the others.
    """
    require(folder, _HOLDS, *_FOLDERS, *_FILES)
    names, test_names, tracks, test_tracks, queries = (folder / name for name in _FILES)
    left_out: list[str] = []
    train = _read(names, tracks, "track_train_info", folder / "bbox_train", left_out)
    gallery = _read(test_names, test_tracks, "track_test_info", folder / "bbox_test", left_out)
    (numbers,) = read_mat(queries, "query_IDX")
    chosen = set(np.asarray(numbers).ravel().astype(int).tolist())
    query = [sample for sample in gallery if sample.tracklet in chosen]
    return Found(folder, "mars", train, query, gallery, left_out)


def _read(
    name_file: Path, track_file: Path, table: str, images: Path, left_out: list[str]
) -> list[Sample]:
    names = read_lines(name_file)
    (rows,) = read_mat(track_file, table)
    _check(rows, len(names), track_file)
    samples = [
        Sample(images / name[:4] / name, identity, camera, tracklet)
        for tracklet, (first, last, identity, camera) in enumerate(rows.tolist(), start=1)
        for name in names[first - 1 : last]
    ]
    return on_disk(samples, name_file, left_out)


def _check(rows: Any, images: int, file: Path) -> None:
    """That the table is one of whole numbers, and of images that there are."""
    good = isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1:] == (4,)
    if not good or not np.issubdtype(rows.dtype, np.integer):
        raise TrainError(f"{file}: not a table of first image, last image, identity and camera")
    if len(rows) and not (rows[:, 0].min() >= 1 and rows[:, 1].max() <= images):
        raise TrainError(f"{file}: speaks of images beyond the {images} that are listed")


MARS = Layout("mars", _HOLDS, lambda folder: has(folder, *_FOLDERS), find)
