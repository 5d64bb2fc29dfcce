"""Ultralytics' own weights, in torch."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import CamtrailError
from pipeline.inference.runtimes import MOST
from pipeline.inference.weights import load_weights
from pipeline.records import Image


class TorchNetwork:
    """See `pipeline.inference.runtimes.Network`. Torch's threads are those of the process."""

    shape: tuple[int, int] | None = None

    def __init__(self, path: Path, device: torch.device, half: bool) -> None:
        self._device = device
        model = load_weights(path)
        self.names = dict(model.names)
        self.end_to_end = bool(getattr(model, "end2end", False))
        self.stride = int(model.stride.max())
        self.size = int(model.args["imgsz"])
        self._type = torch.half if half and device.type == "cuda" else torch.float
        # channels last: measured a quarter faster than torch's default layout on a CPU
        self._model = model.to(device, self._type, memory_format=torch.channels_last)
        self._own = threading.local()

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def at_once(self) -> int:
        return min(torch.get_num_threads(), MOST) if self.device == "cpu" else 1

    def share(self, networks: int) -> Callable[[], None]:
        threads = max(1, torch.get_num_threads() // networks)
        return lambda: torch.set_num_threads(threads)

    def __call__(self, batch: Image) -> Any:
        # NHWC memory seen as NCHW is torch's channels-last layout; the flip gives RGB.
        pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).flip(1)
        with torch.inference_mode():
            raw = self._network()(pixels.to(self._type).div_(255))
        return raw[0] if isinstance(raw, (list, tuple)) else raw

    def _network(self) -> Any:
        """The calling thread's copy: ultralytics' head keeps notes on the size of its input."""
        if not hasattr(self._own, "network"):
            weights = {id(weight): weight for weight in self._model.parameters()}
            self._own.network = copy.deepcopy(self._model, weights)  # the weights are shared
        return self._own.network


def torch_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one.

    Raises:
        CamtrailError: no such device, or not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CamtrailError(
            f"detector.device: {name!r} is no device; use auto, cpu, cuda or cuda:0"
        ) from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise CamtrailError(f"detector.device: {name!r} is not there; found {count} CUDA devices")
    return device
