"""A detector that was exported as OpenVINO folder, on a processor."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.errors import CamtrailError
from pipeline.inference.runtimes import MOST
from pipeline.inference.runtimes.described import describe
from pipeline.inference.runtimes.pixels import fixed, to_floats
from pipeline.records import FloatArray, Image
from reid_models.openvino_runtime import NEEDED, compiled, reason, unmapped

_MAX_YAML = 1 << 20  # bytes


class OpenVinoNetwork:
    """See `pipeline.inference.runtimes.Network`.

    The folder holds NAME.xml, NAME.bin and metadata.yaml, as ultralytics writes them. A compiled
    network has its own number of threads, and each thread that calls has a request of its own.
    """

    def __init__(self, path: Path, device: str, threads: int) -> None:
        if device not in ("auto", "cpu"):
            raise CamtrailError(
                f"detector.device: an OpenVINO folder runs on the processor (cpu), not {device!r}"
            )
        self.device = "cpu"
        self._path = path
        self._threads = threads
        self._model = _read(path)
        self._compiled: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._own = threading.local()
        exported = describe(_metadata(path), path)
        self.names, self.stride = exported.names, exported.stride
        self.end_to_end = exported.one_box_a_person
        shape = self._model.input().get_partial_shape()
        sides = [None if side.is_dynamic else side.get_length() for side in shape]
        self._one_by_one, self.shape = fixed(sides, path)
        self.size = max(self.shape or exported.imgsz)

    @property
    def at_once(self) -> int:
        return min(self._threads, MOST)

    def share(self, networks: int) -> Callable[[], None]:
        threads = max(1, self._threads // networks)
        return lambda: setattr(self._own, "threads", threads)

    def __call__(self, batch: Image) -> FloatArray:
        if self._one_by_one and len(batch) > 1:
            return np.concatenate([self(batch[i : i + 1]) for i in range(len(batch))])
        request = self._request()
        request.infer([to_floats(batch)])
        return np.array(request.get_output_tensor(0).data, np.float32)  # it is written again

    def _request(self) -> Any:
        threads = getattr(self._own, "threads", self._threads)
        requests: dict[int, Any] = self._own.__dict__.setdefault("requests", {})
        if threads not in requests:
            with self._lock:
                if threads not in self._compiled:
                    self._compiled[threads] = compiled(self._model, threads)
                requests[threads] = self._compiled[threads].create_infer_request()
        return requests[threads]


def _read(path: Path) -> Any:
    if importlib.util.find_spec("openvino") is None:
        raise CamtrailError(f"{path}: {NEEDED}")
    networks = sorted(path.glob("*.xml"))
    if len(networks) != 1:
        raise CamtrailError(f"{path}: an OpenVINO folder holds one .xml file, this {len(networks)}")
    try:
        model = unmapped().read_model(networks[0])
    except RuntimeError as error:
        raise CamtrailError(f"{path}: OpenVINO cannot load it: {reason(error)}") from None
    if len(model.inputs) != 1 or len(model.input().get_partial_shape()) != 4:
        raise CamtrailError(f"{path}: a detector has one input, of pictures")
    return model


def _metadata(path: Path) -> dict[str, Any] | None:
    file = path / "metadata.yaml"
    try:
        if file.stat().st_size > _MAX_YAML:
            raise CamtrailError(f"{file}: larger than 1 MB, which no description is")
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return data if isinstance(data, dict) else None
