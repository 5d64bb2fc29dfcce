"""A detector's weights as a file of another runtime, by ultralytics' own export."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CamtrailError
from pipeline.inference.weights import load_weights, prepare, reason
from reid_models.openvino_runtime import mute_openvino

PARTIAL = ".export-"  # begins the name of the folder in which an export is made
_TOGETHER = 16  # pictures at once for which an engine is made; the others take any number


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: of ultralytics.
        ending: of the file's or folder's name, without the weights' own ``.pt``.
        packages: that the export needs.
        on_gpu: whether it is made on an NVIDIA GPU, for that kind of GPU alone.
    """

    name: str
    ending: str
    packages: tuple[str, ...]
    on_gpu: bool = False


FORMATS = {
    "onnx": Format("onnx", ".onnx", ("onnx",)),
    "openvino": Format("openvino", "_openvino_model", ("openvino",)),
    "tensorrt": Format("engine", ".engine", ("onnx", "tensorrt"), on_gpu=True),
}


def export(weights: Path, kind: str, target: Path, size: int | None, half: bool = False) -> None:
    """Writes ``target``, whole or not at all; it takes pictures of any size, several at once.

    Args:
        weights: a ``.pt`` file of ultralytics.
        kind: one of `FORMATS`.
        target: the file to write, or the folder for OpenVINO; one that exists is replaced.
        size: of the longer side of the pictures in pixels; None: as the weights were trained.
        half: in half precision; for TensorRT alone.

    Raises:
        CamtrailError: the weights are no detector's, what the export needs is not there, or it
            failed.
    """
    wanted = FORMATS[kind]
    model = load_weights(weights)
    _check_needs(wanted, kind)
    arguments: dict[str, object] = {
        "format": wanted.name,
        "imgsz": size or int(model.args["imgsz"]),
        "dynamic": True,
        "device": "0" if wanted.on_gpu else "cpu",
    }
    if wanted.on_gpu:
        arguments |= {"batch": _TOGETHER, "half": half}
    if "onnx" in wanted.packages:
        arguments["simplify"] = False  # it takes a package more, and makes nothing faster here
    target.parent.mkdir(parents=True, exist_ok=True)
    # In a folder of its own: ultralytics writes beside the weights, one name for each format.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=PARTIAL) as folder:
        copy = Path(folder) / "detector.pt"
        shutil.copyfile(weights, copy)
        try:
            _export(copy, arguments)
            made = copy.with_name(copy.stem + wanted.ending)
            if target.is_dir():
                shutil.rmtree(target)
            made.rename(target)
        except Exception as error:  # torch, ultralytics and each runtime raise many classes
            raise CamtrailError(
                f"{weights}: cannot be exported as {kind}: {reason(error)}"
            ) from None


def _check_needs(wanted: Format, kind: str) -> None:
    import torch

    if wanted.on_gpu and not torch.cuda.is_available():
        raise CamtrailError(
            f"{kind}: is made on the NVIDIA GPU that is to run it; there is none here"
        )
    for package in wanted.packages:
        if importlib.util.find_spec(package) is None:
            extra = " (pip install 'camtrail[openvino]')" if package == "openvino" else ""
            raise CamtrailError(f"{kind}: needs the Python package {package}{extra}")


def _export(weights: Path, arguments: Mapping[str, object]) -> None:
    import torch

    prepare()
    mute_openvino()
    from ultralytics.models import YOLO

    threads = torch.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own, about the way ultralytics chose
            YOLO(weights).export(**arguments)
    finally:
        torch.set_num_threads(threads)  # ultralytics takes nearly all for itself
