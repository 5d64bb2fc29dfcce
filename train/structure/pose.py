"""A small pose model, trained from random weights on simulated people by ultralytics' trainer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pipeline.simulate import Crop, CropOptions, simulated_crops
from pipeline.simulate.skeleton import JOINTS
from train.errors import TrainError
from train.structure.keypoints import PoseModel
from train.yolo import train_yolo

_NETWORK = "yolo11n-pose.yaml"
_CAMERAS, _TESTED = 8, 20  # cameras; people that it is measured on
_NEAR = 0.05  # of the crop's height, within which a keypoint counts as found
_OTHER = {"left": "right", "right": "left"}  # in a mirror
_MIRRORED = [JOINTS.index(" ".join(_OTHER.get(w, w) for w in name.split())) for name in JOINTS]


def train_pose(
    out: Path, seed: int, people: int, epochs: int, image_size: int, command: str = ""
) -> dict[str, Any]:
    """Render people, train, write ``out/pose.pt`` and ``out/pose.json``.

    The last epoch is what is kept; other people are looked at once, after the training.

    Args:
        out: folder of the run; must be new or empty.
        seed: of people, cameras, weights and order.
        people: to learn from, at least 4, each seen twice by 8 cameras.
        epochs: passes over them.
        image_size: longer side of the network's input in pixels, a multiple of 32.
        command: noted in ``pose.json``.

    Returns:
        What ``pose.json`` holds: how it was made, and on crops of other people the share in which
        somebody was found, the share of visible joints found within 5 % of the crop's height, and
        the median distance as a share of it.

    Raises:
        TrainError: the folder is not empty, or a number is impossible.
    """
    if people < 4 or epochs < 1:
        raise TrainError("a pose model needs at least 4 people and 1 epoch")
    if image_size % 32 or not 64 <= image_size <= 1280:
        raise TrainError(f"--image-size must be a multiple of 32 from 64 to 1280, not {image_size}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: exists and is not empty; choose another folder")
    out = out.resolve()
    images = out / "images"
    options = CropOptions(seed, people, _TESTED, _CAMERAS, per_camera=2)
    tested = []
    for number, crop in enumerate(simulated_crops(options)):
        if crop.split == "train":
            _write(crop, images, number)
        else:
            tested.append(crop)
    description = out / "images.yaml"
    description.write_text(
        yaml.safe_dump(
            {
                "path": str(images),
                "train": "images",
                "val": "images",
                "names": {0: "person"},
                "kpt_shape": [len(JOINTS), 3],
                "flip_idx": _MIRRORED,
            }
        ),
        encoding="utf-8",
    )
    weights = out / "pose.pt"
    # A crop is one person: four of them in one picture are what it will never see.
    train_yolo(_NETWORK, description, weights, seed, epochs, image_size, mosaic=0.0)
    result = {
        "command": command,
        "network": _NETWORK,
        "seed": seed,
        "people": people,
        "epochs": epochs,
        "image_size": image_size,
        "held_out": measure(PoseModel(weights), tested),
    }
    (out / "pose.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(images)
    description.unlink()
    return result


def measure(model: PoseModel, crops: Sequence[Crop]) -> dict[str, float]:
    """See `train_pose`."""
    errors, joints = [], 0
    found = model.find([crop.image for crop in crops])
    for crop, points in zip(crops, found, strict=True):
        inside = _inside(crop)
        joints += int(inside.sum())
        if points is not None:
            away = np.linalg.norm(points[:, :2] - crop.joints[:, :2], axis=1)
            errors += (away[inside] / crop.image.shape[0]).tolist()
    return {
        "crops": len(crops),
        "people_found": round(float(np.mean([points is not None for points in found])), 4),
        "joints_found": round(sum(error <= _NEAR for error in errors) / joints, 4),
        "median_error": round(float(np.median(errors)), 4) if errors else 1.0,
    }


def _inside(crop: Crop) -> Any:
    height, width = crop.image.shape[:2]
    x, y = crop.joints[:, 0], crop.joints[:, 1]
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def _write(crop: Crop, folder: Path, number: int) -> None:
    """A picture and its label in YOLO's layout: the person fills the crop."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    image = cv2.cvtColor(crop.image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(folder / "images" / f"{number:06}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    (folder / "labels" / f"{number:06}.txt").write_text(pose_line(crop), encoding="ascii")


def pose_line(crop: Crop) -> str:
    """``class x y w h`` and for each joint ``x y v``, shares of the crop; v is 2 for joints that
    lie in it, else 0."""
    height, width = crop.image.shape[:2]
    points = [
        f"{x / width:.5f} {y / height:.5f} 2" if inside else "0 0 0"
        for (x, y, _), inside in zip(crop.joints, _inside(crop), strict=True)
    ]
    return f"0 0.5 0.5 1 1 {' '.join(points)}\n"
