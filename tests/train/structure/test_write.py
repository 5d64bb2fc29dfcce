"""From data to maps, of simulated crops, whose joints are known."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.simulate import CropOptions, simulate_crops, simulated_crops
from train.cli import main
from train.data import load_folder
from train.errors import TrainError
from train.structure.body import draw_turned
from train.structure.folder import StructureMaps
from train.structure.write import Posed, exact_poses, write_structure

OPTIONS = CropOptions(seed=6, train_identities=3, test_identities=1, cameras=2, per_camera=2)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "crops"
    simulate_crops(folder, OPTIONS)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *options: object) -> object:
    """The command's exit status."""
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_simulated_crops_have_exact_maps(
    crops: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "maps"
    options = ["--data", crops, "--out", out, "--height", 64, "--width", 32, "--json"]
    assert run(monkeypatch, "structure", *options) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(out),
        "images": 12,
        "nobody found": 0,
    }
    samples = load_folder(crops, "s").train
    maps = StructureMaps(out)
    assert maps.split(samples) == (samples, [])
    first = next(crop for crop in simulated_crops(OPTIONS) if crop.split == "train")
    name = f"{first.identity:04}_c{first.camera}"
    sample = next(s for s in samples if s.path.name.startswith(name))
    wanted = draw_turned(first.joints.astype(float), first.image.shape[:2], (64, 32))
    read = maps.read(sample, 90, 64, 32)[0].numpy()
    np.testing.assert_allclose(255 * read, wanted[2], atol=1e-3)


def test_people_and_their_maps_lie_upon_each_other(crops: Path) -> None:
    """What a map shows differs from the rest of the crop: the edges meet."""
    for posed in exact_poses(load_folder(crops, "s").train):
        assert posed.joints is not None
        shown = draw_turned(posed.joints, posed.size, posed.size)[0] > 0
        assert 0.15 < shown.mean() < 0.7
        image = cv2.imread(str(posed.sample.path), cv2.IMREAD_GRAYSCALE)
        assert image.shape == shown.shape


def test_images_without_anybody(crops: Path, tmp_path: Path) -> None:
    posed = list(exact_poses(load_folder(crops, "s").train))
    posed[1] = posed[1]._replace(joints=None)
    done: list[int] = []
    written = write_structure(iter(posed), tmp_path / "maps", (32, 16), done.append)
    assert written == (11, [posed[1].sample.path])
    assert sum(done) == 12
    empty = [Posed(p.sample, p.size, None) for p in posed]
    with pytest.raises(TrainError, match="nobody was found in any of the 12 images"):
        write_structure(iter(empty), tmp_path / "none", (32, 16), done.append)
    assert not (tmp_path / "none").exists()
    with pytest.raises(TrainError, match=r"maps: exists; choose another folder"):
        write_structure(iter(posed), tmp_path / "maps", (32, 16), done.append)
    with pytest.raises(TrainError, match="another image has the same name"):
        write_structure(iter([posed[0]] * 2), tmp_path / "twice", (32, 16), done.append)


def test_other_data_do_not_say(market: Path, tmp_path: Path) -> None:
    samples = load_folder(market, "m").train
    with pytest.raises(TrainError, match=r"joints.npz: no such file: only simulated crops"):
        list(exact_poses(samples))
    (market / "joints.npz").write_bytes(b"nothing")
    with pytest.raises(TrainError, match=r"joints.npz: the joints cannot be read"):
        list(exact_poses(samples))
    np.savez(market / "joints.npz", names=["x"], joints=np.zeros((1, 17, 3)))
    with pytest.raises(TrainError, match=r"joints.npz: says nothing of 0001_c1s1_000000_01.jpg"):
        list(exact_poses(samples))
