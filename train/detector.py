"""A person detector, trained from random weights on simulated frames by ultralytics' trainer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from pipeline.simulate import render_training_frames
from train.errors import TrainError
from train.yolo import quiet_ultralytics, train_yolo

_NETWORK = "yolo11n.yaml"
_HELD_OUT = 500_000  # added to the seed for the scenes that the quality is measured on


def train_detector(
    out: Path, seed: int, images: int, epochs: int, image_size: int, command: str = ""
) -> dict[str, Any]:
    """Render frames, train, write ``out/detector.pt`` and ``out/detector.json``.

    The last epoch is what is kept; the held-out frames are looked at once, after the training.

    Args:
        out: folder of the run; must be new or empty.
        seed: of frames, weights and order.
        images: training frames, at least 32.
        epochs: passes over them.
        image_size: longer side of the network's input in pixels, a multiple of 32.
        command: noted in ``detector.json``.

    Returns:
        What ``detector.json`` holds: how it was made, and its recall and precision, mAP at an
        IoU of 0.5 and averaged over 0.5 to 0.95, on frames of other scenes.
    """
    if images < 32 or epochs < 1:
        raise TrainError("a detector needs at least 32 images and 1 epoch")
    if image_size % 32 or not 64 <= image_size <= 1280:
        raise TrainError(f"--image-size must be a multiple of 32 from 64 to 1280, not {image_size}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainError(f"{out}: exists and is not empty; choose another folder")
    out = out.resolve()
    frames = out / "frames"
    boxes = write_frames(frames, "train", seed, images)
    write_frames(frames, "val", seed + _HELD_OUT, max(50, images // 10))
    description = frames / "data.yaml"
    description.write_text(
        yaml.safe_dump(
            {
                "path": str(frames),
                "train": "images/train",
                "val": "images/val",
                "names": {0: "person"},
            }
        ),
        encoding="utf-8",
    )
    train_yolo(_NETWORK, description, out / "detector.pt", seed, epochs, image_size)
    result = {
        "command": command,
        "network": _NETWORK,
        "seed": seed,
        "images": images,
        "boxes": boxes,
        "epochs": epochs,
        "image_size": image_size,
        "held_out": _measure(out / "detector.pt", description, image_size),
    }
    (out / "detector.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(frames)
    return result


def write_frames(folder: Path, part: str, seed: int, count: int) -> int:
    """Write ``images/PART`` and ``labels/PART`` in YOLO's layout; gives the number of boxes."""
    images, labels = folder / "images" / part, folder / "labels" / part
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    total = 0
    for index, (image, boxes) in enumerate(render_training_frames(seed, count)):
        height, width = image.shape[:2]
        cv2.imwrite(str(images / f"{index:06}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        lines = [yolo_line(box, width, height) for box in boxes]
        (labels / f"{index:06}.txt").write_text("".join(lines), encoding="ascii")
        total += len(lines)
    return total


def yolo_line(box: npt.NDArray[np.float32], width: int, height: int) -> str:
    """``(x1, y1, x2, y2)`` in pixels as ``class x y w h``: centre and size, shares of the frame."""
    x1, x2 = np.clip(box[[0, 2]] / width, 0, 1)
    y1, y2 = np.clip(box[[1, 3]] / height, 0, 1)
    return f"0 {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n"


def _measure(weights: Path, description: Path, image_size: int) -> dict[str, float]:
    ultralytics = quiet_ultralytics()
    box = (
        ultralytics.YOLO(str(weights))
        .val(
            data=str(description),
            imgsz=image_size,
            project=str(weights.parent / "ultralytics"),
            name="val",
            plots=False,
            workers=0,
            verbose=False,
        )
        .box
    )
    shutil.rmtree(weights.parent / "ultralytics", ignore_errors=True)
    return {
        "recall": round(float(box.mr), 4),
        "precision": round(float(box.mp), 4),
        "map50": round(float(box.map50), 4),
        "map50_95": round(float(box.map), 4),
    }
