"""Runs a public encoder through onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from reid_models.description import Description
from reid_models.errors import EncoderError


class OnnxRuntime:
    """A file with a fixed batch of 1 is run crop by crop: to change only the batch dimension
    would run as well, but lets reductions mix the crops of a batch."""

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
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise EncoderError(
                f"{path}: an encoder has one input and one output, "
                f"this has {len(inputs)} and {len(outputs)}"
            )
        self._input = inputs[0].name
        self._nchw = description.input.layout == "nchw"
        self._check_shape(path, description, inputs[0].shape)
        self._one_by_one = isinstance(inputs[0].shape[0], int)
        self._check_dimension(path, description)

    @property
    def device(self) -> str:
        return self._device

    def __call__(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self._nchw:
            batch = batch.transpose(0, 3, 1, 2)
        batch = np.ascontiguousarray(batch)
        if not self._one_by_one:
            return self._run(batch)
        return np.concatenate([self._run(batch[i : i + 1]) for i in range(len(batch))])

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        out = self._session.run(None, {self._input: batch})[0]
        return np.asarray(out, np.float32).reshape(len(batch), -1)

    def _check_shape(self, path: Path, description: Description, shape: list[object]) -> None:
        spec = description.input
        wanted: list[object] = (
            [3, spec.height, spec.width] if self._nchw else [spec.height, spec.width, 3]
        )
        fits = len(shape) == 4 and all(
            not isinstance(has, int) or has == want
            for has, want in zip(shape[1:], wanted, strict=True)
        )
        if not fits or (isinstance(shape[0], int) and shape[0] != 1):
            raise EncoderError(
                f"{path}: its input is {shape}, but {path.with_suffix('.yaml').name} "
                f"describes [N, {', '.join(map(str, wanted))}] ({spec.layout})"
            )

    def _check_dimension(self, path: Path, description: Description) -> None:
        spec = description.input
        out = self(np.zeros((1, spec.height, spec.width, 3), np.float32))
        if out.shape[1] != description.dimension:
            raise EncoderError(
                f"{path}: gives embeddings of {out.shape[1]} numbers, but "
                f"{path.with_suffix('.yaml').name} says dimension {description.dimension}"
            )


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
