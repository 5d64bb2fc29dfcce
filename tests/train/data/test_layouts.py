"""The layouts of the public data sets: what is found in them, and what is said of faults."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from tests.train.data.layouts import WRITERS, write_layout
from train.data import DataSet, open_data
from train.data.dataset import identities
from train.errors import TrainError

# Images in train, query and gallery of 6 + 6 identities, 2 cameras, 3 images in each.
SIZES = {
    "folder": (36, 12, 26),
    "market1501": (36, 12, 26),
    "dukemtmc": (36, 12, 26),
    "msmt17": (36, 12, 24),
    "msmt17_v2": (36, 12, 24),
    "cuhk03": (36, 12, 24),
    "cuhk03_np": (36, 12, 26),
    "viper": (12, 6, 6),
    "mars": (72, 36, 73),
    "veri776": (36, 12, 36),
    "vehicleid": (36, 30, 6),
    "crops": (36, 12, 36),
}
KINDS = {"msmt17_v2": "msmt17", "cuhk03_np": "cuhk03"}


def sizes(data: DataSet) -> tuple[int, int, int]:
    return len(data.train), len(data.query), len(data.gallery)


@pytest.mark.parametrize("name", SIZES)
def test_every_layout_is_recognised_and_read(name: str, tmp_path: Path) -> None:
    called = "Market-1501-v15.09.15" if name == "market1501" else "data"
    data = open_data(str(write_layout(name, tmp_path / called)))
    assert sizes(data) == SIZES[name]
    assert data.kind == KINDS.get(name, name)
    assert data.name == called
    assert data.left_out == []
    assert len(identities(data.train)) == len(identities(data.query)) == 6
    assert identities(data.query) == identities(data.gallery)
    assert not identities(data.train) & identities(data.query)
    if name != "vehicleid":
        assert {s.camera for s in data.train} == {1, 2}
    published = name not in ("folder", "crops")
    assert any("not the published" in note for note in data.notes) == published
    named = open_data(f"{data.kind}:{tmp_path / called},unchecked")
    assert named.name == data.kind
    assert (named.train, named.query, named.gallery) == (data.train, data.query, data.gallery)
    assert not any("not the published" in note for note in named.notes)
    assert named.fingerprint() == data.fingerprint()


@pytest.mark.parametrize("name", [n for n in SIZES if n not in ("folder", "crops")])
def test_a_named_data_set_must_be_complete(name: str, tmp_path: Path) -> None:
    folder = write_layout(name, tmp_path / "data")
    kind = KINDS.get(name, name)
    with pytest.raises(TrainError, match=f"not the published {kind}: .*published.*,unchecked"):
        open_data(f"{kind}:{folder}")


def test_all_that_differs_is_told(tmp_path: Path) -> None:
    folder = write_layout("market1501", tmp_path / "data")
    with pytest.raises(TrainError) as caught:
        open_data(f"market1501:{folder}")
    for text in (
        "train: 36 images, published 12,936",
        "train: 6 identities, published 751",
        "train: 2 cameras, published 6",
        "query: 12 images, published 3,368",
        "gallery: 26 images, published 19,732",
    ):
        assert text in str(caught.value)


def test_every_writer_is_tested() -> None:
    assert set(WRITERS) == set(SIZES)


@pytest.mark.parametrize(
    ("name", "gone", "text"),
    [
        ("market1501", "query", "query missing; Market-1501's layout is expected"),
        ("dukemtmc", "bounding_box_test", "bounding_box_test missing"),
        ("msmt17", "list_val.txt", "list_val.txt missing; MSMT17 is expected"),
        ("msmt17", "test", "holds the images of neither version"),
        ("cuhk03", "images_detected", "images_detected missing; CUHK03 is expected"),
        ("cuhk03", "cuhk03_new_protocol_config_detected.mat", "config_detected.mat missing"),
        ("viper", "cam_b", "cam_b missing; VIPeR is expected"),
        ("mars", "info/query_IDX.mat", "info/query_IDX.mat missing; MARS is expected"),
        ("veri776", "name_test.txt", "name_test.txt missing; VeRi-776 is expected"),
        ("vehicleid", "train_test_split/test_list_800.txt", "test_list_800.txt missing"),
        ("crops", "crops.csv", "crops.csv missing"),
    ],
)
def test_what_is_missing_is_named(name: str, gone: str, text: str, tmp_path: Path) -> None:
    folder = write_layout(name, tmp_path / "data")
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(TrainError, match=re.escape(text)):
        open_data(f"{name}:{folder},unchecked")


@pytest.mark.parametrize(
    ("name", "file", "content", "text"),
    [
        ("msmt17", "list_query.txt", "0000/picture.jpg", "list_query.txt: line 1: expected a file"),
        ("msmt17", "list_train.txt", "", "train: no usable image|left out"),
        ("veri776", "name_train.txt", "car.jpg", "name_train.txt: line 1: expected a name"),
        ("vehicleid", "train_test_split/train_list.txt", "1;2", "line 1: expected an image and"),
        ("mars", "info/tracks_train_info.mat", "text", "not a readable .mat file"),
        ("mars", "info/query_IDX.mat", "", "not a readable .mat file"),
        ("mars", "info/train_name.txt", "one.jpg", "speaks of images beyond the 1 that are"),
        ("cuhk03", "cuhk03_new_protocol_config_detected.mat", "x", "not a readable .mat file"),
        ("crops", "crops.csv", "file,identity\na.jpg,1\n", "crops.csv: cannot be read"),
        ("crops", "crops.csv", "file,identity\n../../a.jpg,1\n", "crops.csv: cannot be read"),
        ("crops", "dataset.json", "{}", "dataset.json: cannot be read"),
        (
            "crops",
            "dataset.json",
            '{"format": "camtrail crops", "version": 2, "labels": "x"}',
            "version 2; this program reads",
        ),
    ],
)
def test_damaged_lists(name: str, file: str, content: str, text: str, tmp_path: Path) -> None:
    folder = write_layout(name, tmp_path / "data")
    (folder / file).write_text(content)
    if name == "msmt17" and not content:  # the validation list still holds training images
        assert len(open_data(f"{name}:{folder},unchecked").train) == 12
        return
    with pytest.raises(TrainError, match=text):
        open_data(f"{name}:{folder},unchecked")


@pytest.mark.parametrize("name", ["msmt17", "veri776", "vehicleid", "mars", "cuhk03", "crops"])
def test_listed_images_that_are_missing_are_left_out(name: str, tmp_path: Path) -> None:
    folder = write_layout(name, tmp_path / "data")
    gone = open_data(f"{name}:{folder},unchecked").train[5].path
    gone.unlink()
    data = open_data(f"{name}:{folder},unchecked")
    assert len(data.train) == SIZES[name][0] - 1
    assert len(data.left_out) == 1
    assert f"{gone}: listed in" in data.left_out[0]


def test_the_versions_of_msmt17(tmp_path: Path) -> None:
    first = write_layout("msmt17", tmp_path / "1")
    second = write_layout("msmt17_v2", tmp_path / "2")
    assert open_data(str(first)).version == "version 1"
    assert open_data(str(second)).version == "version 2"
    (second / "train").mkdir()
    (second / "test").mkdir()
    with pytest.raises(TrainError, match="holds both versions"):
        open_data(str(second))


def test_the_partings_of_viper_differ_and_stay(tmp_path: Path) -> None:
    folder = write_layout("viper", tmp_path / "VIPeR", identities=10)
    halves = []
    for split in range(10):
        data = open_data(f"viper:{folder},split={split},unchecked")
        assert data.version == f"split {split}"
        assert sizes(data) == (20, 10, 10)
        assert {s.camera for s in data.query} == {1}
        assert {s.camera for s in data.gallery} == {2}
        halves.append(frozenset(identities(data.train)))
    assert len(set(halves)) == 10
    again = open_data(f"viper:{folder},split=3,unchecked")
    assert identities(again.train) == halves[3]


def test_the_protocols_of_cuhk03(tmp_path: Path) -> None:
    folder = write_layout("cuhk03", tmp_path / "cuhk03")
    new = open_data(f"cuhk03:{folder},boxes=labeled,unchecked")
    assert new.version == "new protocol, labeled"
    assert all("images_labeled" in str(s.path) for s in new.train)
    tested = set()
    for split in (0, 1, 19):
        old = open_data(f"cuhk03:{folder},protocol=old,split={split},unchecked")
        assert old.version == f"old protocol, detected, split {split}"
        assert sizes(old) == (10 * 6, 2 * 3, 2)  # single shot: one image of each in the gallery
        assert {s.camera for s in old.query} == {1}
        assert {s.camera for s in old.gallery} == {2}
        tested.add(frozenset(identities(old.query)))
    assert len(tested) == 3
    np_folder = write_layout("cuhk03_np", tmp_path / "np")
    assert open_data(f"{np_folder},boxes=labeled").version == "new protocol, labeled"
    with pytest.raises(TrainError, match=r"images_detected, splits_classic_detected\.json missing"):
        open_data(f"{np_folder},protocol=old")
    (folder / "splits_classic_detected.json").write_text(json.dumps([{"query": [["a.png", 1]]}]))
    for split, text in ((0, "no readable split 0"), (7, "no readable split 7")):
        with pytest.raises(TrainError, match=text):
            open_data(f"cuhk03:{folder},protocol=old,split={split}")
    entry = {"query": [["a.png", 1, 0]], "gallery": []}
    (folder / "splits_classic_detected.json").write_text(json.dumps([entry]))
    with pytest.raises(TrainError, match="names that are not like 1_001_1_01"):
        open_data(f"cuhk03:{folder},protocol=old")


def test_cuhk03_tables_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_layout("cuhk03", tmp_path / "cuhk03")
    file = folder / "cuhk03_new_protocol_config_detected.mat"
    cells = np.array([["1_001_1_01.png"]], object)
    one = {"filelist": cells, "labels": [1], "camId": [1], "train_idx": [1], "query_idx": [1]}
    for arrays, text in (
        (one, "holds no gallery_idx"),
        ({**one, "gallery_idx": [2]}, "beyond the 1 listed"),
        ({**one, "gallery_idx": [1], "labels": [1, 2]}, "differ in length"),
    ):
        savemat(file, arrays)
        with pytest.raises(TrainError, match=text):
            open_data(str(folder))


def test_mars_has_tracklets_and_its_queries_in_the_gallery(tmp_path: Path) -> None:
    data = open_data(str(write_layout("mars", tmp_path / "MARS")))
    assert len({s.tracklet for s in data.train}) == 6 * 2 * 2
    assert len({s.tracklet for s in data.gallery}) == 6 * 2 * 2 + 1
    assert len({s.tracklet for s in data.query}) == 6 * 2
    assert set(data.query) < set(data.gallery)
    assert [s.identity for s in data.gallery].count(-1) == 1
    for samples in (data.train, data.gallery):
        for tracklet in {s.tracklet for s in samples}:
            own = [s for s in samples if s.tracklet == tracklet]
            assert len({(s.identity, s.camera) for s in own}) == 1


@pytest.mark.parametrize("table", [np.zeros((3, 3), int), np.zeros((3, 4)), np.array([1])])
def test_a_mars_table_of_another_kind(table: np.ndarray, tmp_path: Path) -> None:
    folder = write_layout("mars", tmp_path / "MARS")
    savemat(folder / "info/tracks_train_info.mat", {"track_train_info": table})
    with pytest.raises(TrainError, match="not a table of first image, last image"):
        open_data(str(folder))


def test_vehicleid_draws_one_image_a_vehicle(tmp_path: Path) -> None:
    folder = write_layout("vehicleid", tmp_path / "VehicleID")
    drawn = set()
    for split in range(10):
        data = open_data(f"vehicleid:{folder},size=1600,split={split},unchecked")
        assert data.version == f"test size 1600, split {split}"
        assert len(data.gallery) == len(identities(data.gallery)) == 6
        assert {s.camera for s in data.query}.isdisjoint({s.camera for s in data.gallery})
        assert not {s.path for s in data.query} & {s.path for s in data.gallery}
        drawn.add(tuple(s.path.name for s in data.gallery))
    assert len(drawn) > 5


def test_exported_crops_say_more_and_need_no_test_part(tmp_path: Path) -> None:
    folder = write_layout("crops", tmp_path / "export")
    data = open_data(str(folder))
    assert data.version == "labels matched"
    assert data.train[0].tracklet == 11
    assert data.train[0].time == 1e9
    lines = (folder / "crops.csv").read_text().splitlines()
    kept = [line for line in lines if line.startswith(("file", "bounding_box_train"))]
    (folder / "crops.csv").write_text("\n".join(kept) + "\n")
    assert sizes(open_data(str(folder))) == (36, 0, 0)
