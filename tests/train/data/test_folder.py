"""Reading Market-1501's layout, and saying what is wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from train.data import load_folder, open_data, read_image
from train.errors import TrainError


def test_a_good_folder(market: Path) -> None:
    data = open_data(str(market))
    assert data.name == "market"
    assert (len(data.train), len(data.query), len(data.gallery)) == (48, 8, 16)
    assert {s.identity for s in data.train} == set(range(1, 9))
    assert {s.camera for s in data.query} == {1, 2}
    assert data.left_out == []
    image = read_image(data.train[0].path)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_what_cannot_be_used_is_left_out_and_named(market: Path) -> None:
    train = market / "bounding_box_train"
    good = sorted(train.iterdir())
    good[0].write_bytes(good[0].read_bytes()[:300])  # truncated
    good[1].write_bytes(b"")
    (train / "portrait.jpg").write_bytes(good[2].read_bytes())
    shutil.copy(good[2], train / "0000_c1s1_000000_00.jpg")
    (train / "Thumbs.db").write_bytes(b"x")  # found in the original; no image at all
    data = load_folder(market, "m")
    assert len(data.train) == 46
    text = "\n".join(data.left_out)
    assert len(data.left_out) == 4
    assert good[0].name in text
    assert good[1].name in text
    assert "does not say identity and camera" in text
    assert "identity 0000 belongs in bounding_box_test only" in text


def test_junk_and_distractors_stay_in_the_gallery(market: Path) -> None:
    gallery = market / "bounding_box_test"
    some = next(gallery.iterdir())
    shutil.copy(some, gallery / "-1_c1s1_000001_01.jpg")
    shutil.copy(some, gallery / "0000_c2s1_000001_01.jpg")
    identities = [s.identity for s in load_folder(market, "m").gallery]
    assert identities.count(-1) == identities.count(0) == 1


def test_missing_parts(market: Path) -> None:
    shutil.rmtree(market / "query")
    with pytest.raises(TrainError, match="query missing; Market-1501's layout"):
        load_folder(market, "m")
    with pytest.raises(TrainError, match="no such folder"):
        open_data(str(market / "elsewhere"))


def test_an_empty_part(market: Path) -> None:
    for path in (market / "query").iterdir():
        path.unlink()
    with pytest.raises(TrainError, match="query: no usable image"):
        load_folder(market, "m")


def test_an_identity_in_train_and_test(market: Path) -> None:
    some = market / "bounding_box_train" / "0003_c1s1_000000_01.jpg"
    shutil.copy(some, market / "query" / some.name)
    with pytest.raises(TrainError, match=r"1 identities are in both .*for example 3"):
        load_folder(market, "m")


@pytest.mark.parametrize(("folder", "what"), [("bounding_box_train", "train"), ("query", "test")])
def test_a_single_camera(market: Path, folder: str, what: str) -> None:
    parts = [folder] if what == "train" else ["query", "bounding_box_test"]
    for part in parts:
        for path in (market / part).glob("*_c2*"):
            path.unlink()
    with pytest.raises(TrainError, match=f"all {what} images are of camera 1"):
        load_folder(market, "m")
