"""Real networks in real files whose weights nobody trained: small, and made in a moment."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.inference import weights
from reid_models import Description, InputSpec, build, save_encoder
from tests.folders import made_once


def untrained() -> tuple[Path, Path]:
    """A detector of one class, "person", and an encoder: enough where it does not matter who is
    seen. Of one detector a run of the tests makes one export.
    """
    folder = made_once("networks", _write)
    return folder / "detector.pt", folder / "encoder.safetensors"


def _write(folder: Path) -> None:
    write_detector(folder / "detector.pt")
    write_encoder(folder / "encoder.safetensors")


def write_detector(
    path: Path, kind: str = "yolov8n.yaml", names: tuple[str, ...] = ("person",)
) -> Path:
    """A checkpoint of ultralytics; ``kind`` is one of the library's model descriptions."""
    weights.prepare()
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    if "-" in kind:  # another task than detection
        model = YOLO(kind, verbose=False).model
    else:
        model = DetectionModel(kind, nc=len(names), verbose=False)
        model.names = dict(enumerate(names))
        _spread_scores(model)
    torch.save({"model": model.half(), "train_args": {}}, path)
    return path


def _spread_scores(model: torch.nn.Module) -> None:
    """Lets batch norms see data: fresh ones make all boxes alike, and equals have no order."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean over all batches
    with torch.no_grad():
        model.train()(torch.rand(8, 3, 96, 160))
    model.eval()


def write_encoder(path: Path) -> Path:
    """An encoder file for crops of 64 x 32 pixels."""
    torch.manual_seed(0)
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=32,
        architecture="stripenet",
        arguments={"dimension": 32},
    )
    save_encoder(path, build("stripenet", dimension=32), description)
    return path
