"""Small made-up data sets in the layouts of the public ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.train.conftest import write_person


class Drawing:
    """Draws the images of a data set: ``identities`` to train on, then as many to test on."""

    def __init__(self, folder: Path, identities: int, cameras: int, images: int, seed: int) -> None:
        self.folder = folder
        self.cameras = range(1, cameras + 1)
        self.images = range(images)
        self.train = range(1, identities + 1)
        self.test = range(identities + 1, 2 * identities + 1)
        self._rng = np.random.default_rng(seed)

    def draw(self, name: str, identity: int, camera: int) -> str:
        """Writes one image below the folder, and gives its name without folders."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_person(path, identity, camera, self._rng)
        return path.name

    def shots(self, identities: range) -> Iterator[tuple[int, int, int]]:
        """Identity, camera and number of each image."""
        for identity in identities:
            for camera in self.cameras:
                for number in self.images:
                    yield identity, camera, number

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_layout(
    name: str,
    folder: Path,
    identities: int = 6,
    cameras: int = 2,
    images: int = 3,
    seed: int = 1,
) -> Path:
    """Writes a data set in the layout of ``name`` into ``folder``, which it gives back.

    Args:
        name: one of `WRITERS`.
        folder: new.
        identities: to train on; there are as many others to test on.
        cameras: that see each identity (VIPeR and CUHK03 always have 2).
        images: of each identity in each camera, at least 2 (VIPeR always has 1).
        seed: of what the images look like.
    """
    WRITERS[name](Drawing(folder, identities, cameras, images, seed))
    return folder


def _market(d: Drawing, inside: str = "", pattern: str = "{:04}_c{}s1_{:06}_01.jpg") -> None:
    parts = ("bounding_box_train", "query", "bounding_box_test")
    for identity, camera, number in d.shots(d.train):
        d.draw(f"{inside}{parts[0]}/{pattern.format(identity, camera, number)}", identity, camera)
    for identity, camera, number in d.shots(d.test):
        part = parts[1] if number == 0 else parts[2]
        d.draw(f"{inside}{part}/{pattern.format(identity, camera, number)}", identity, camera)
    for identity in ("-1", "0000"):
        d.draw(f"{inside}{parts[2]}/{identity}_c1s1_000000_01.jpg", 0, 1)


def _duke(d: Drawing) -> None:
    _market(d, pattern="{:04}_c{}_f{:07}.jpg")


def _msmt(d: Drawing, train: str = "train", test: str = "test") -> None:
    lists: dict[str, list[str]] = {"train": [], "val": [], "query": [], "gallery": []}
    for people, folder in ((d.train, train), (d.test, test)):
        for identity, camera, number in d.shots(people):
            label = identity - people[0]  # both parts count from 0
            name = f"{label:04}/{label:04}_{number:03}_{camera:02}_0303morning_0008_0.jpg"
            d.draw(f"{folder}/{name}", identity, camera)
            first = number == 0
            where = ("val" if first else "train") if folder == train else "gallery"
            lists["query" if first and folder == test else where].append(f"{name} {label}")
    for name, lines in lists.items():
        d.write(f"list_{name}.txt", "\n".join(lines) + "\n")


def _msmt_v2(d: Drawing) -> None:
    _msmt(d, "mask_train_v2", "mask_test_v2")


def _cuhk03_np(d: Drawing) -> None:
    for boxes in ("labeled", "detected"):
        _market(d, f"{boxes}/", "{:04}_c{}_{}.png")


def _cuhk03(d: Drawing) -> None:
    for boxes in ("labeled", "detected"):
        files, labels, views = [], [], []
        indices: dict[str, list[int]] = {"train": [], "query": [], "gallery": []}
        for identity in (*d.train, *d.test):
            for view in (1, 2):
                for number in d.images:
                    name = f"1_{identity:03}_{view}_{number + 5 * view - 4:02}.png"
                    files.append(d.draw(f"images_{boxes}/{name}", identity, view))
                    labels.append(identity)
                    views.append(view)
                    test = "query" if number == 0 else "gallery"
                    indices["train" if identity in d.train else test].append(len(files))
        cells = np.empty((len(files), 1), object)
        cells[:, 0] = files
        arrays = {f"{part}_idx": np.array(numbers)[:, None] for part, numbers in indices.items()}
        savemat(
            d.folder / f"cuhk03_new_protocol_config_{boxes}.mat",
            {"filelist": cells, "labels": np.array(labels)[:, None], "camId": views, **arrays},
        )
        splits = []
        for split in range(20):  # each tests on another person, and the one after
            first = 1 + split % (d.test[-1] - 1)
            held = {first, first + 1}
            test = [[f"x/{f}", i, 0] for f, i in zip(files, labels, strict=True) if i in held]
            splits.append({"train": [], "query": test, "gallery": test})
        d.write(f"splits_classic_{boxes}.json", json.dumps(splits))


def _viper(d: Drawing) -> None:
    for identity in (*d.train, *d.test):
        for camera, (name, angle) in enumerate((("cam_a", 0), ("cam_b", 90)), start=1):
            d.draw(f"{name}/{identity - 1:03}_{angle}.bmp", identity, camera)


def _mars(d: Drawing) -> None:
    queries: list[int] = []
    for part, people, distractor in (("train", d.train, ""), ("test", d.test, "00-1")):
        names: list[str] = []
        rows: list[tuple[int, int, int, int]] = []
        if distractor:
            names.append(d.draw(f"bbox_test/{distractor}/{distractor}C1T0001F001.jpg", 0, 1))
            rows.append((1, 1, -1, 1))
        for identity in people:
            for camera in d.cameras:
                for tracklet in (1, 2):
                    first = len(names) + 1
                    for number in d.images:
                        name = f"{identity:04}C{camera}T{tracklet:04}F{number + 1:03}.jpg"
                        names.append(d.draw(f"bbox_{part}/{identity:04}/{name}", identity, camera))
                    rows.append((first, len(names), identity, camera))
                    if part == "test" and tracklet == 1:
                        queries.append(len(rows))
        d.write(f"info/{part}_name.txt", "\n".join(names) + "\n")
        savemat(d.folder / f"info/tracks_{part}_info.mat", {f"track_{part}_info": np.array(rows)})
    savemat(d.folder / "info/query_IDX.mat", {"query_IDX": np.array([queries])})


def _veri(d: Drawing) -> None:
    lists: dict[str, list[str]] = {"train": [], "query": [], "test": []}
    for part, people in (("train", d.train), ("test", d.test)):
        for identity, camera, number in d.shots(people):
            name = f"{identity:04}_c{camera:03}_{number:08}_0.jpg"
            lists[part].append(d.draw(f"image_{part}/{name}", identity, camera))
            if part == "test" and number == 0:
                lists["query"].append(d.draw(f"image_query/{name}", identity, camera))
    for part, names in lists.items():
        d.write(f"name_{part}.txt", "\n".join(names) + "\n")


def _vehicleid(d: Drawing) -> None:
    shots = list(d.shots(range(1, 2 * len(d.train) + 1)))
    lines = []
    for number, (identity, camera, _) in enumerate(shots, start=1):
        d.draw(f"image/{number:07}.jpg", identity, camera)
        lines.append(f"{number:07} {identity - 1}")
    half = len(lines) // 2
    d.write("train_test_split/train_list.txt", "\n".join(lines[:half]) + "\n")
    for size in (800, 1600, 2400):
        d.write(f"train_test_split/test_list_{size}.txt", "\n".join(lines[half:]) + "\n")


def _crops(d: Drawing) -> None:
    rows = []
    for identity, camera, number in (*d.shots(d.train), *d.shots(d.test)):
        name = f"{identity:04}_c{camera}s1_{number:06}_00.jpg"
        parts = ["bounding_box_train"] if identity in d.train else ["bounding_box_test"]
        if identity in d.test and number == 0:
            parts.append("query")
        for part in parts:
            d.draw(f"{part}/{name}", identity, camera)
            rows.append(
                {
                    "file": f"{part}/{name}",
                    "identity": identity,
                    "camera_number": camera,
                    "tracklet_number": 10 * identity + camera,
                    "time": 1e9 + number,
                }
            )
    with (d.folder / "crops.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    description = {"format": "camtrail crops", "version": 1, "labels": "matched"}
    d.write("dataset.json", json.dumps(description))


WRITERS: dict[str, Callable[[Drawing], None]] = {
    "folder": _market,
    "market1501": _market,
    "dukemtmc": _duke,
    "msmt17": _msmt,
    "msmt17_v2": _msmt_v2,
    "cuhk03": _cuhk03,
    "cuhk03_np": _cuhk03_np,
    "viper": _viper,
    "mars": _mars,
    "veri776": _veri,
    "vehicleid": _vehicleid,
    "crops": _crops,
}
