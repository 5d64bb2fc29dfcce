"""What stands behind --data; reading Market-1501's layout, and saying what is wrong with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import write_person
from train.data import images, load_folder, open_data, read_image
from train.data.images import unreadable
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("viper:{},split=10", "split is one of 0, 1, .*, not '10'"),
        ("viper:{},fold=1", "unknown option 'fold'; viper has: split, unchecked"),
        ("{},split=1", "unknown option 'split'; folder has: unchecked"),
        ("viper:{}", "cam_a, cam_b missing; VIPeR is expected"),
        ("viper:{}/nowhere,split=1", "no such folder"),
        ("somewhere:{}", "NAME is one of crops, market1501, .* or simulated"),
    ],
)
def test_bad_names(market: Path, text: str, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        open_data(text.format(market))


def test_a_folder_may_have_commas_and_colons_in_its_name(market: Path) -> None:
    odd = market.rename(market.parent / "a:b,split=1")
    assert len(open_data(str(odd)).train) == 48
    assert len(open_data(f"{odd},unchecked").train) == 48
    assert len(open_data(f"folder:{odd}").train) == 48


def test_the_folder_around_a_data_set(market: Path) -> None:
    with pytest.raises(TrainError, match=r"no data set, but .*/market looks like one"):
        open_data(str(market.parent))


def test_one_image_an_identity_is_told(market: Path) -> None:
    for path in (market / "bounding_box_train").glob("000[1-3]_*"):
        if "c1s1_000000" not in path.name:
            path.unlink()
    (note,) = load_folder(market, "m").notes
    assert "3 of 8 training identities have a single image" in note


def test_the_fingerprint_is_of_the_data_and_not_of_the_place(market: Path) -> None:
    before = open_data(str(market)).fingerprint()
    moved = market.rename(market.parent / "elsewhere")
    assert open_data(str(moved)).fingerprint() == before
    next((moved / "query").iterdir()).unlink()
    assert open_data(str(moved)).fingerprint() != before


def test_what_was_found_in_many_images_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMTRAIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "_WORTH_KEEPING", 50)
    write_person(tmp_path / "0.png", 1, 1, np.random.default_rng(1))
    paths = [tmp_path / f"{number}.png" for number in range(50)]
    for path in paths[1:]:
        os.link(paths[0], path)
    paths[7].unlink()
    paths[7].write_bytes(b"no image")
    assert list(unreadable(paths)) == [paths[7]]
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text("{}")
    assert unreadable(paths) == {}  # read, not found again
    kept.write_text("[torn")
    assert list(unreadable(paths)) == [paths[7]]
    paths[8].unlink()  # another set of files
    assert list(unreadable(paths)) == [paths[7], paths[8]]
