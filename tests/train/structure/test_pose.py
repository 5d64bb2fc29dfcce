"""The pose network: how it is taught, what it learns, and what reads its files and others'."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.simulate import CropOptions, simulate_crops, simulated_crops
from pipeline.simulate.skeleton import JOINTS
from train.cli import main
from train.errors import TrainError
from train.structure import pose
from train.structure.keypoints import YoloPose, open_pose
from train.structure.pose import MIRRORED, POSE, changed, train_pose
from train.structure.pose_network import CELL, SPEC, PoseNetwork, mean_places, read_pose, save_pose
from train.yolo import quiet_ultralytics

OPTIONS = CropOptions(seed=6, train_identities=3, test_identities=1, cameras=2, per_camera=2)
DETECTOR = Path(__file__).parents[3] / "pipeline" / "weights" / "detector.pt"


def test_left_becomes_right_in_a_mirror() -> None:
    first = [JOINTS[place] for place in MIRRORED[:4]]
    assert first == ["nose", "right eye", "left eye", "right ear"]
    assert [MIRRORED[place] for place in MIRRORED] == list(range(17))


def test_mean_places_by_hand() -> None:
    maps = torch.full((1, 2, 4, 2), -math.inf)
    maps[0, 0, 3, 1] = 0  # the last cell
    maps[0, 1, 0, 0] = maps[0, 1, 1, 0] = 5  # between two
    found = mean_places(maps)[0]
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.875], [0.25, 0.25]]))


def test_the_loss_against_a_loop() -> None:
    torch.manual_seed(0)
    maps, inside = torch.randn(2, 17, 32, 16), torch.randn(2, 17)
    points = torch.rand(2, 17, 2) * torch.tensor([90.0, 160.0]) - 10  # some lie outside
    told, apart, seen = 0.0, 0.0, 0
    for n in range(2):
        for j in range(17):
            x, y = points[n, j].tolist()
            here = 0 <= x < SPEC.width and 0 <= y < SPEC.height
            share = 1 / (1 + math.exp(-inside[n, j].item()))
            told -= math.log(share if here else 1 - share) / 34
            if not here:
                continue
            seen += 1
            cells = [(r, c) for r in range(32) for c in range(16)]
            bell = [
                math.exp(-((c + 0.5 - x / CELL) ** 2 + (r + 0.5 - y / CELL) ** 2) / 2)
                for r, c in cells
            ]
            powers = [math.exp(maps[n, j, r, c].item()) for r, c in cells]
            found = [p / sum(powers) for p in powers]
            apart -= sum(b / sum(bell) * math.log(f) for b, f in zip(bell, found, strict=True))
            mean_x = sum(f * (c + 0.5) * CELL for f, (_, c) in zip(found, cells, strict=True))
            mean_y = sum(f * (r + 0.5) * CELL for f, (r, _) in zip(found, cells, strict=True))
            apart += (abs(mean_x - x) + abs(mean_y - y)) / CELL
    wanted = told + apart / seen
    assert pose._loss(maps, inside, points).item() == pytest.approx(wanted, rel=1e-4)


def test_changed_pictures_keep_their_joints() -> None:
    """A white spot where each joint is lies where the changed joints say."""
    crop = next(simulated_crops(OPTIONS))
    height, width = 256, 128
    mirrored = 0
    for number in range(8):
        rng = np.random.default_rng(number)
        points = rng.uniform((30, 60), (98, 196), (17, 2)).astype(np.float32)
        joint = number % 17
        x, y = points[joint]
        down, across = np.mgrid[:height, :width] + 0.5
        spot = 255 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 50)
        image = np.repeat(spot[..., None], 3, axis=2).astype(np.uint8)
        spotted = crop.__class__(1, 1, "train", image, np.pad(points, ((0, 0), (0, 1))))
        example = changed(spotted, number)
        shown = example.image.astype(float).sum(axis=2)
        shown = np.maximum(shown - 0.5 * shown.max(), 0)
        assert shown.shape == (SPEC.height, SPEC.width)
        down, across = np.mgrid[: SPEC.height, : SPEC.width] + 0.5
        middle = [(shown * across).sum() / shown.sum(), (shown * down).sum() / shown.sum()]
        distances = np.linalg.norm(example.points - middle, axis=1)
        assert distances.min() < 0.6
        mirrored += int(distances.argmin()) == MIRRORED[joint] != joint
    assert mirrored


def test_it_learns_where_joints_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A few steps on a few people: better than the mean pose already, and read again as it was."""
    monkeypatch.setattr(pose, "_CAMERAS", 2)
    monkeypatch.setattr(pose, "_TESTED", 4)
    out, crops = tmp_path / "pose", tmp_path / "crops"
    result = train_pose(out, seed=9301, people=12, epochs=24)
    assert sorted(path.name for path in out.iterdir()) == ["pose.json", POSE]
    assert json.loads((out / "pose.json").read_text()) == result
    held_out = result["held_out"]
    assert held_out["crops"] == 16
    crops_of = list(simulated_crops(CropOptions(9301, 12, 4, 2, 2)))
    learnt = [c for c in crops_of if c.split == "train"]
    tested = [c for c in crops_of if c.split != "train"]
    sizes = [(c.image.shape[1], c.image.shape[0]) for c in learnt]
    mean = np.mean([c.joints[:, :2] / s for c, s in zip(learnt, sizes, strict=True)], axis=0)
    away = [
        np.linalg.norm(mean * (c.image.shape[1], c.image.shape[0]) - c.joints[:, :2], axis=1)
        / c.image.shape[0]
        for c in tested
    ]
    assert held_out["median"] < 0.95 * np.median(np.concatenate(away))
    again = open_pose(out / POSE).find([c.image for c in tested])
    assert pose.measure(read_pose(out / POSE), tested) == held_out
    assert {points.shape for points in again if points is not None} == {(17, 3)}
    simulate_crops(crops, OPTIONS)
    options = ["--data", crops, "--out", tmp_path / "maps", "--pose", out / POSE, "--json"]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "structure", *map(str, options)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    values = json.loads(capsys.readouterr().out)
    assert values["images"] + values["nobody found"] == 12
    assert values["images"] > 8


def test_networks_of_ultralytics_are_read(tmp_path: Path) -> None:
    """One with random weights: whoever it finds has 17 joints."""
    file = tmp_path / "yolo.pt"
    quiet_ultralytics().YOLO("yolo11n-pose.yaml").save(file)
    finder = open_pose(file)
    assert isinstance(finder, YoloPose)
    found = finder.find([np.full((90, 40, 3), 120, np.uint8)])
    assert found[0] is None or found[0].shape == (17, 3)


def test_weights_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no such file; train a pose model with camtrail-train"):
        open_pose(tmp_path / "pose.pt")
    for name, says in (("pose.pt", "of ultralytics'"), ("x.safetensors", "of this version")):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(TrainError, match=f"not a (pose )?network {says}"):
            open_pose(tmp_path / name)
    with pytest.raises(TrainError, match="is for detect, not a pose network of 17 keypoints"):
        open_pose(DETECTOR)
    save_pose(tmp_path / "good.safetensors", PoseNetwork())
    assert open_pose(tmp_path / "good.safetensors")
    encoder = DETECTOR.with_name("encoder.safetensors")
    with pytest.raises(TrainError, match=r"not a pose network of this version \(described as"):
        open_pose(encoder)


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"people": 3}, "at least 4 people"), ({"epochs": 0}, "at least 4 people and 1 epoch")],
)
def test_impossible_requests(tmp_path: Path, changes: dict[str, int], text: str) -> None:
    arguments = {"seed": 1, "people": 4, "epochs": 1, **changes}
    with pytest.raises(TrainError, match=text):
        train_pose(tmp_path / "run", **arguments)
    (tmp_path / "full").write_text("x")
    with pytest.raises(TrainError, match="not empty"):
        train_pose(tmp_path, seed=1, people=4, epochs=1)
