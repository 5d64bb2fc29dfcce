"""What ``run.json`` says about where a run came from."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

from train.data import DataSet

_PACKAGES = ("camtrail", "torch", "torchvision", "accelerate", "numpy")


def versions() -> dict[str, str | None]:
    """Of Python, of what the figures depend on, and of CUDA (None without)."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    found |= {package: version(package) for package in _PACKAGES} | {"torch": torch.__version__}
    found["cuda"] = torch.version.cuda if torch.cuda.is_available() else None
    return found


def device_name(device: torch.device) -> str:
    """The accelerator's model, or the processor's architecture and how many threads torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def describe(data: DataSet) -> dict[str, Any]:
    """A data set in numbers."""
    return {
        "data": data.name,
        "data_kind": data.kind,
        "data_version": data.version,
        "data_fingerprint": data.fingerprint(),
        "train_images": len(data.train),
        "train_identities": len({sample.identity for sample in data.train}),
        "query_images": len(data.query),
        "gallery_images": len(data.gallery),
        "left_out": len(data.left_out),
    }
