"""Detector training."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from train.detector import train_detector, write_frames, yolo_line
from train.errors import TrainError
from train.yolo import _in_float32


def test_boxes_become_centre_and_size_within_the_frame() -> None:
    assert yolo_line(np.array([10, 20, 30, 60], np.float32), 100, 200) == (
        "0 0.200000 0.200000 0.200000 0.200000\n"
    )
    cut = yolo_line(np.array([-10, 20, 30, 60], np.float32), 100, 200)
    assert cut == "0 0.150000 0.200000 0.300000 0.200000\n"


def test_frames_have_their_labels(tmp_path: Path) -> None:
    total = write_frames(tmp_path, "train", seed=9200, count=12)
    images = sorted((tmp_path / "images" / "train").iterdir())
    labels = sorted((tmp_path / "labels" / "train").iterdir())
    assert [p.stem for p in images] == [p.stem for p in labels]
    rows = [line.split() for path in labels for line in path.read_text().splitlines()]
    assert len(images) == 12
    assert len(rows) == total > 0
    numbers = np.array(rows, float)
    assert (numbers[:, 0] == 0).all()
    assert (numbers[:, 1:] >= 0).all()
    assert (numbers[:, 1:] <= 1).all()
    assert cv2.imread(str(images[0])).ndim == 3


def test_mixed_precision_leaves_no_half_numbers() -> None:
    half = torch.ones(2, dtype=torch.bfloat16)
    out = _in_float32({"a": [half, (half, 3)], "b": torch.ones(1, dtype=torch.int64)})
    assert out["a"][0].dtype == out["a"][1][0].dtype == torch.float32
    assert out["a"][1][1] == 3
    assert out["b"].dtype == torch.int64


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"images": 5}, "at least 32 images"),
        ({"epochs": 0}, "at least 32 images and 1 epoch"),
        ({"image_size": 100}, "multiple of 32"),
    ],
)
def test_impossible_requests(tmp_path: Path, changes: dict[str, int], text: str) -> None:
    arguments = {"seed": 1, "images": 32, "epochs": 1, "image_size": 64, **changes}
    with pytest.raises(TrainError, match=text):
        train_detector(tmp_path / "run", **arguments)
    (tmp_path / "full").write_text("x")
    with pytest.raises(TrainError, match="not empty"):
        train_detector(tmp_path, seed=1, images=32, epochs=1, image_size=64)


def test_trains_and_leaves_a_small_file_without_traces(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = train_detector(out, seed=9201, images=32, epochs=1, image_size=64)
    assert sorted(p.name for p in out.iterdir()) == ["detector.json", "detector.pt"]
    assert json.loads((out / "detector.json").read_text()) == result
    assert set(result["held_out"]) == {"recall", "precision", "map50", "map50_95"}
    assert (out / "detector.pt").stat().st_size < 6_000_000
    assert str(tmp_path).encode() not in (out / "detector.pt").read_bytes()
    from ultralytics import YOLO

    model = YOLO(str(out / "detector.pt"))
    assert model.names == {0: "person"}
    model.predict(np.zeros((360, 640, 3), np.uint8), imgsz=64, verbose=False)
