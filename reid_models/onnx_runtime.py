"""Runs a public encoder, or one of ours that was exported, through onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from reid_models.description import Description
from reid_models.errors import EncoderError
from reid_models.exported import Exported, FloatArray, check_ends


class OnnxRuntime(Exported):
    """Any number of threads may call it."""

    def __init__(
        self, path: Path, description: Description, device: str, threads: int | None
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        chosen, self._device = providers(device)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:  # onnxruntime raises a class of its own for each fault
            raise EncoderError(f"{path}: onnxruntime cannot load it: {error}") from None
        inputs = self._session.get_inputs()
        check_ends(path, len(inputs), len(self._session.get_outputs()))
        self._input = inputs[0].name
        super().__init__(path, description, inputs[0].shape)
        self._check_dimension(description)

    @property
    def device(self) -> str:
        return self._device

    def _run(self, batch: FloatArray) -> FloatArray:
        return np.asarray(self._session.run(None, {self._input: batch})[0], np.float32)


def providers(device: str) -> tuple[list[object], str]:
    """Onnxruntime's providers for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, and the device's name.

    Raises:
        EncoderError: no such device, or not of this onnxruntime.
    """
    name, _, index = device.partition(":")
    if name not in ("auto", "cpu", "cuda") or (index and not index.isdecimal()):
        raise EncoderError(f"unknown device {device!r}; use auto, cpu, cuda or cuda:N")
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if name == "cuda" and not has_cuda:
        raise EncoderError(f"device {device!r}: this onnxruntime is built without CUDA")
    if name == "cpu" or not has_cuda:
        return ["CPUExecutionProvider"], "cpu"
    number = int(index or 0)
    cuda = ("CUDAExecutionProvider", {"device_id": number})
    return [cuda, "CPUExecutionProvider"], f"cuda:{number}"
