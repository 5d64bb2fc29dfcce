"""Training networks of ultralytics from random weights, without downloads and traces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from train.data.cache import cache_folder
from train.precision import has_fast_bf16


def quiet_ultralytics() -> Any:
    """The library, with its downloads, installations and reports turned off before its import."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ.setdefault("YOLO_CONFIG_DIR", str(cache_folder()))
    import ultralytics

    settings: Any = ultralytics.settings  # its update() has no types
    settings.update({"sync": False})
    return ultralytics


def train_yolo(
    network: str,
    description: Path,
    weights: Path,
    seed: int,
    epochs: int,
    image_size: int,
) -> None:
    """Train, and write the last epoch's weights.

    Args:
        network: ``yolo11n.yaml`` or another of ultralytics' own.
        description: YAML file of the data, in ultralytics' form.
        weights: file to write, in a folder that is there.
        seed: of weights and order.
        epochs: passes over the images.
        image_size: longer side of the network's input in pixels.
    """
    work = weights.parent / "ultralytics"
    ultralytics = quiet_ultralytics()
    cuda = torch.cuda.is_available()
    model = ultralytics.YOLO(network)
    if not cuda and has_fast_bf16():
        model.add_callback("on_train_start", _forward_in_bf16)
    settings = {
        "data": str(description),
        "project": str(work),
        "name": "run",
        "exist_ok": True,
        "pretrained": False,
        "epochs": epochs,
        "imgsz": image_size,
        "batch": 16,
        "optimizer": "AdamW",
        "lr0": 0.002,
        "cos_lr": True,
        "warmup_epochs": min(2, epochs / 5),
        "close_mosaic": max(1, epochs // 5),
        "seed": seed,
        "device": 0 if cuda else "cpu",
        "amp": "bf16" if cuda and has_fast_bf16() else False,
        "workers": 1,
        "cache": "ram",
        "val": False,
        "plots": False,
    }
    model.train(**settings)
    last = work / "run" / "weights" / "last.pt"
    _without_traces(last, weights, {"task": model.task, "imgsz": image_size})
    shutil.rmtree(work)


def _without_traces(last: Path, weights: Path, arguments: dict[str, Any]) -> None:
    """Copy ultralytics' final checkpoint (half precision, no optimizer) without what it notes of
    the machine it was made on: paths, the state of a git checkout, the date."""
    checkpoint = torch.load(last, map_location="cpu", weights_only=False)  # made a moment ago
    checkpoint["model"].args = arguments
    kept = {key: checkpoint[key] for key in ("version", "license", "docs", "model")}
    torch.save({**kept, "train_args": arguments, "epoch": -1}, weights)


def _forward_in_bf16(trainer: Any) -> None:
    """Let the network alone run in bfloat16 on a CPU, which ultralytics offers on CUDA only.

    The loss stays in float32: its boxes need the digits. What is saved is the moving average,
    a copy that was made before this and knows nothing of it.
    """
    model = trainer.model.to(memory_format=torch.channels_last)
    forward: Callable[..., Any] = model.forward

    def faster(x: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(x, dict):  # a batch with labels: comes back here for its images
            return forward(x, *arguments, **named)
        with torch.autocast("cpu", torch.bfloat16):
            return _in_float32(forward(x, *arguments, **named))

    model.forward = faster


def _in_float32(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _in_float32(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_in_float32(item) for item in value)
    return value
