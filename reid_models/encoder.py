"""The encoder as the live pipeline uses it: crops in, normalised embeddings out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reid_models.description import Description
from reid_models.errors import EncoderError
from reid_models.exported import AT_ONCE
from reid_models.header import fingerprint, read_description
from reid_models.onnx_runtime import OnnxRuntime
from reid_models.preprocess import Image, to_batch
from reid_models.torch_runtime import TorchRuntime
from reid_models.weights import read_encoder

FloatArray = npt.NDArray[np.float32]


class Runtime(Protocol):
    """Runs a network on batches (N, H, W, 3) float32 and gives (N, D) float32."""

    @property
    def device(self) -> str: ...

    def __call__(self, batch: FloatArray) -> FloatArray: ...


class Encoder:
    """A loaded encoder; made by `load_encoder`.

    Attributes:
        description: what the file says of itself.
        fingerprint: 32 hexadecimal digits, a digest of weights and description. Embeddings of
            two fingerprints must never be compared.
        device: where it runs, ``cpu`` or ``cuda:0``.
        dimension: length of an embedding.
    """

    def __init__(self, runtime: Runtime, description: Description, fingerprint: str) -> None:
        self._runtime = runtime
        self.description = description
        self.fingerprint = fingerprint
        self.device = runtime.device
        self.dimension = description.dimension

    def embed(self, crops: Sequence[Image]) -> FloatArray:
        """L2-normalised embeddings, float32 (N, D).

        Args:
            crops: RGB uint8 arrays H x W x 3 of any size; none gives (0, D).
        """
        if not crops:
            return np.empty((0, self.dimension), np.float32)
        parts = [self._embed(crops[i : i + AT_ONCE]) for i in range(0, len(crops), AT_ONCE)]
        return np.concatenate(parts)

    def _embed(self, crops: Sequence[Image]) -> FloatArray:
        batch = to_batch(crops, self.description.input)
        out = self._runtime(batch)
        if self.description.flip:
            out = out + self._runtime(np.ascontiguousarray(batch[:, :, ::-1]))
        if out.shape != (len(crops), self.dimension):
            raise EncoderError(
                f"the network gave {out.shape} for {len(crops)} crops where its description "
                f"says dimension {self.dimension}"
            )
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        return np.asarray(out / np.maximum(norms, 1e-12), np.float32)


def load_encoder(path: str | Path, device: str = "auto", threads: int | None = None) -> Encoder:
    """Load a ``.safetensors`` encoder, or an export with its ``.yaml`` beside it.

    Exports are ``.onnx``, ``.xml`` of OpenVINO and ``.engine`` of TensorRT.

    Args:
        path: the file. An engine is run like a program: take it from those you trust.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        threads: that onnxruntime or OpenVINO may use for one call; torch's are global and left
            alone.

    Raises:
        EncoderError: says what is wrong with the file or the device.
    """
    path = Path(path)
    runtime: Runtime
    if path.suffix == ".safetensors":
        model, description = read_encoder(path)
        runtime = TorchRuntime(model, device)
    else:
        description = read_description(path)
        runtime = _exported(path, description, device, threads)
    return Encoder(runtime, description, fingerprint(path, description))


def _exported(path: Path, description: Description, device: str, threads: int | None) -> Runtime:
    if path.suffix == ".xml":
        from reid_models.openvino_runtime import OpenVinoRuntime

        return OpenVinoRuntime(path, description, device, threads)
    if path.suffix == ".engine":
        from reid_models.tensorrt_runtime import TensorRtRuntime

        return TensorRtRuntime(path, description, device)
    return OnnxRuntime(path, description, device, threads)
