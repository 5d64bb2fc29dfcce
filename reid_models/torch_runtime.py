"""Runs one of our networks through torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from reid_models.errors import EncoderError


class TorchRuntime:
    """Batch norm folded into the convolutions, channels last: both measured to help on a CPU."""

    def __init__(self, model: nn.Module, device: str) -> None:
        self._device = torch_device(device)
        fused = fuse(model.eval())
        self._model = fused.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> str:
        return str(self._device)

    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # NHWC memory seen as NCHW is exactly torch's channels-last: no copy.
        images = torch.from_numpy(batch).permute(0, 3, 1, 2).to(self._device)
        with torch.inference_mode():
            return np.asarray(self._model(images).float().cpu().numpy())


def torch_device(device: str) -> torch.device:
    """The one of that name; ``auto`` is CUDA where there is one.

    Raises:
        EncoderError: no such device, or not here.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise EncoderError(f"unknown device {device!r}; use auto, cpu, cuda or cuda:N") from None
    if chosen.type == "cuda":
        index = chosen.index or 0
        if not torch.cuda.is_available() or index >= torch.cuda.device_count():
            found = torch.cuda.device_count() if torch.cuda.is_available() else 0
            raise EncoderError(f"device {device!r} is not there ({found} CUDA devices found)")
        return torch.device("cuda", index)
    if chosen.type != "cpu":
        raise EncoderError(f"unknown device {device!r}; use auto, cpu, cuda or cuda:N")
    return chosen
