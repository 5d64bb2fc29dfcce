"""Runs an encoder that was exported as engine of TensorRT, on the kind of GPU that it is for."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reid_models.description import Description
from reid_models.errors import EncoderError
from reid_models.exported import AT_ONCE, Exported, FloatArray, check_ends
from reid_models.torch_runtime import torch_device

_FLOAT = "DataType.FLOAT"


class TensorRtRuntime(Exported):
    """One call at a time: an engine has one context. Its code is run: it must be trusted."""

    def __init__(self, path: Path, description: Description, device: str) -> None:
        if not torch.cuda.is_available():
            raise EncoderError(f"{path}: a TensorRT engine needs an NVIDIA GPU; there is none here")
        if importlib.util.find_spec("tensorrt") is None:
            raise EncoderError(f"{path}: needs the Python package tensorrt")
        self._device = torch_device(device)
        if self._device.type != "cuda":
            raise EncoderError(f"device {device!r}: a TensorRT engine runs on a GPU")
        with torch.cuda.device(self._device):  # a context belongs to the device that is current
            self._engine, self._context = _load(path)
        ends = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs = [name for name in ends if "INPUT" in str(self._engine.get_tensor_mode(name))]
        check_ends(path, len(inputs), len(ends) - len(inputs))
        (self._input,) = inputs
        (self._output,) = set(ends) - set(inputs)
        if any(str(self._engine.get_tensor_dtype(name)) != _FLOAT for name in ends):
            raise EncoderError(f"{path}: its input and output have to be 32-bit floats")
        sides = self._engine.get_tensor_shape(self._input)
        self._most = 1 if sides[0] > 0 else _most(path, self._engine, self._input)
        self._lock = threading.Lock()
        super().__init__(path, description, [None if side < 0 else side for side in sides])
        self._check_dimension(description)

    @property
    def device(self) -> str:
        return str(self._device)

    def _run(self, batch: FloatArray) -> FloatArray:
        parts = [batch[i : i + self._most] for i in range(0, len(batch), self._most)]
        with self._lock, torch.cuda.device(self._device):
            return np.concatenate([self._infer(part) for part in parts])

    def _infer(self, batch: FloatArray) -> FloatArray:
        crops = torch.from_numpy(batch).to(self._device)
        if not self._context.set_input_shape(self._input, tuple(crops.shape)):
            raise EncoderError(f"the engine takes no pictures of shape {tuple(crops.shape)}")
        shape = tuple(self._context.get_tensor_shape(self._output))
        found = torch.empty(shape, dtype=torch.float32, device=self._device)
        self._context.set_tensor_address(self._input, crops.data_ptr())
        self._context.set_tensor_address(self._output, found.data_ptr())
        stream = torch.cuda.current_stream()
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise EncoderError("TensorRT failed; its log says why")
        return np.asarray(found.cpu().numpy())


def _most(path: Path, engine: Any, name: str) -> int:
    """Crops that an engine takes at once."""
    least, _, most = engine.get_tensor_profile_shape(name, 0)
    if least[0] > 1:
        raise EncoderError(f"{path}: takes {least[0]} crops at least; it has to take single ones")
    return min(AT_ONCE, int(most[0]))


def _load(path: Path) -> tuple[Any, Any]:
    try:
        import tensorrt

        runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
    except Exception as error:  # where the driver or its libraries do not fit
        raise EncoderError(f"{path}: TensorRT does not run here: {error}") from None
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    context = engine.create_execution_context() if engine is not None else None
    if context is None:
        raise EncoderError(
            f"{path}: TensorRT cannot load it; an engine runs on the kind of GPU and with the "
            "version of TensorRT that made it: export it again here"
        )
    return engine, context
