"""Loads ultralytics weights with the library kept quiet, offline and from unpickling strangers.

ultralytics reads its environment when it is imported, so everything here imports it late.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from pipeline.errors import CamtrailError

_USERS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("CAMTRAIL_CACHE") or _USERS / "camtrail")
ENVIRONMENT = {
    "YOLO_AUTOINSTALL": "false",  # never run pip on its own
    "YOLO_VERBOSE": "false",
    "YOLO_OFFLINE": "true",  # no reports of use, no look-ups at import; a download still works
    "ULTRALYTICS_SAFE_LOAD": "true",  # weights_only with a list of known classes
    "YOLO_CONFIG_DIR": str(CACHE),  # our own settings file, not the user's
}


def load_weights(path: Path) -> Any:
    """The fused float32 network (`torch.nn.Module` with ``names``, ``stride``) in eval mode.

    Args:
        path: of a ``.pt`` file.

    Raises:
        CamtrailError: damaged, not ultralytics weights, or not a detector.
    """
    prepare()
    if path.suffix != ".pt":
        raise CamtrailError(
            f"{path}: detector weights are a .pt file of ultralytics, or what "
            "`camtrail detector export` makes of one (.onnx, .engine, a folder of OpenVINO)"
        )
    from ultralytics.nn.tasks import load_checkpoint

    try:
        model, _ = load_checkpoint(path, fuse=True)  # type: ignore[no-untyped-call]
    except Exception as error:  # torch, pickle and ultralytics raise many classes here
        raise CamtrailError(
            f"{path}: not loadable as ultralytics weights: damaged, or another library's "
            f"({reason(error)})"
        ) from None
    task = getattr(model, "task", None)
    if task != "detect":
        raise CamtrailError(
            f"{path}: weights for the task '{task}'; a detector is needed, such as yolo11n.pt"
        )
    return model


def reason(error: Exception) -> str:
    """An error of another library in a few words."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def prepare() -> None:
    """Sets ultralytics' environment; to be called before it is first imported."""
    os.environ.update(ENVIRONMENT)
    CACHE.mkdir(parents=True, exist_ok=True)


def find_weights(weights: str) -> Path:
    """The file, or folder, of a path or of an official name, which is downloaded once.

    Raises:
        CamtrailError: it is missing, or cannot be downloaded.
    """
    prepare()
    path = Path(weights)
    if path.exists():
        return path
    if path.name != weights:
        raise CamtrailError(f"{weights}: no such file; set detector.weights in site.yaml")
    cached = CACHE / "weights" / weights
    if not cached.is_file():
        _download(weights, cached)
    return cached


def _download(name: str, target: Path) -> None:
    """Fetches official weights; they appear whole or not at all, whoever else fetches them."""
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    if name not in GITHUB_ASSETS_NAMES:
        raise CamtrailError(
            f"{name}: no such file, and no official name such as yolo11n.pt; "
            "set detector.weights in site.yaml"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            attempt_download_asset(str(Path(folder) / name), retry=1)
            (Path(folder) / name).replace(target)
        except Exception as error:
            raise CamtrailError(
                f"{name}: cannot be downloaded ({reason(error)}); "
                "fetch it elsewhere and give its path as detector.weights"
            ) from None
