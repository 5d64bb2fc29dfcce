"""A detector that was exported as TensorRT engine, by ultralytics' own runtime of it."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import CamtrailError
from pipeline.inference.runtimes.described import describe
from pipeline.inference.runtimes.pytorch import torch_device
from pipeline.inference.weights import prepare, reason
from pipeline.records import Image


class TensorRtNetwork:
    """See `pipeline.inference.runtimes.Network`. One call at a time: an engine has one context.

    Its precision was chosen when it was exported. It only runs on the kind of GPU and with the
    version of TensorRT that made it.
    """

    at_once = 1

    def __init__(self, path: Path, device: str) -> None:
        if not torch.cuda.is_available():
            raise CamtrailError(
                f"{path}: a TensorRT engine needs an NVIDIA GPU; there is none here"
            )
        if importlib.util.find_spec("tensorrt") is None:
            raise CamtrailError(f"{path}: needs the Python package tensorrt")
        self._device = torch_device(device)
        if self._device.type != "cuda":
            raise CamtrailError(
                f"detector.device: a TensorRT engine runs on a GPU, not on {device!r}"
            )
        prepare()
        from ultralytics.nn.backends.tensorrt import TensorRTBackend

        exported = describe(TensorRTBackend.engine_header(path)[1], path)
        try:
            self._engine = TensorRTBackend(path, self._device)
        except Exception as error:  # TensorRT says most of what is wrong by itself
            raise CamtrailError(f"{path}: TensorRT cannot load it: {reason(error)}") from None
        self.names, self.stride = exported.names, exported.stride
        self.end_to_end = exported.one_box_a_person
        self.shape = None if self._engine.dynamic else exported.imgsz
        self.size = max(exported.imgsz)
        self._type = torch.half if self._engine.fp16 else torch.float
        self._most = exported.batch
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        return str(self._device)

    def share(self, networks: int) -> Callable[[], None]:
        return lambda: None

    def __call__(self, batch: Image) -> Any:
        pixels = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).flip(1)
        floats = pixels.to(self._type).div_(255).contiguous()
        with self._lock:  # what an engine gave is written over by the next call
            found = [
                self._engine.forward(part)[0].clone() for part in torch.split(floats, self._most)
            ]
        return torch.cat(found)
