"""A detector that was exported as ONNX, in onnxruntime."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.errors import CamtrailError
from pipeline.inference.runtimes import MOST
from pipeline.inference.runtimes.described import describe
from pipeline.inference.runtimes.pixels import fixed, to_floats
from pipeline.records import FloatArray, Image
from reid_models import EncoderError
from reid_models.onnx_runtime import providers

_QUIET = 3  # errors only


class OnnxNetwork:
    """See `pipeline.inference.runtimes.Network`.

    A session has its own number of threads, so there is one for each number that is in use. They
    are made when they are needed; any number of threads may call one session.
    """

    def __init__(self, path: Path, device: str, threads: int) -> None:
        self._path = path
        try:
            self._providers, self.device = providers(device)
        except EncoderError as error:
            raise CamtrailError(f"detector.device: {error}") from None
        self._threads = threads
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}
        self._lock = threading.Lock()
        self._own = threading.local()
        session = self._session()
        inputs = session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise CamtrailError(f"{path}: a detector has one input, of pictures")
        self._input = inputs[0].name
        self._type = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
        exported = describe(session.get_modelmeta().custom_metadata_map, path)
        self.names, self.stride = exported.names, exported.stride
        self.end_to_end = exported.one_box_a_person
        self._one_by_one, self.shape = fixed(inputs[0].shape, path)
        self.size = max(self.shape or exported.imgsz)

    @property
    def at_once(self) -> int:
        return min(self._threads, MOST) if self.device == "cpu" else 1

    def share(self, networks: int) -> Callable[[], None]:
        threads = max(1, self._threads // networks)
        return lambda: setattr(self._own, "threads", threads)

    def __call__(self, batch: Image) -> FloatArray:
        if self._one_by_one and len(batch) > 1:
            return np.concatenate([self(batch[i : i + 1]) for i in range(len(batch))])
        pixels = to_floats(batch).astype(self._type, copy=False)
        return np.asarray(self._session().run(None, {self._input: pixels})[0], np.float32)

    def _session(self) -> onnxruntime.InferenceSession:
        """With as many threads as the calling thread has."""
        threads = getattr(self._own, "threads", self._threads)
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = self._load(threads)
            return self._sessions[threads]

    def _load(self, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.intra_op_num_threads = threads
        # They sleep while they wait, as torch's do: other processes want the cores too.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(str(self._path), options, providers=self._providers)
        except Exception as error:  # onnxruntime raises a class of its own for each fault
            raise CamtrailError(
                f"{self._path}: onnxruntime cannot load it: {str(error)[:200]}"
            ) from None
