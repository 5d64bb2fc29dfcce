"""Runs an encoder that was exported for OpenVINO, on a processor."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from reid_models.description import Description
from reid_models.errors import EncoderError
from reid_models.exported import Exported, FloatArray, check_ends

NEEDED = "needs the Python package openvino (pip install 'camtrail[openvino]')"


class OpenVinoRuntime(Exported):
    """NAME.xml with its weights in NAME.bin; each thread that calls has a request of its own."""

    device = "cpu"

    def __init__(
        self, path: Path, description: Description, device: str, threads: int | None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise EncoderError(f"device {device!r}: OpenVINO runs on the processor here; use cpu")
        model = _read(path)
        check_ends(path, len(model.inputs), len(model.outputs))
        kind = model.input().get_element_type()
        if not kind.is_real():  # OpenVINO would cut floats to whole numbers without a word
            raise EncoderError(
                f"{path}: its input is of {kind.to_string()}, an encoder's is of floats"
            )
        sides = model.input().get_partial_shape()
        shape = [None if side.is_dynamic else side.get_length() for side in sides]
        super().__init__(path, description, shape)
        try:
            self._compiled = compiled(model, threads)
        except RuntimeError as error:
            raise EncoderError(f"{path}: OpenVINO cannot run it: {reason(error)}") from None
        self._own = threading.local()
        self._check_dimension(description)

    def _run(self, batch: FloatArray) -> FloatArray:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        self._own.request.infer([batch])
        # It is written again by the next call.
        return np.array(self._own.request.get_output_tensor(0).data, np.float32)


def _read(path: Path) -> Any:
    if importlib.util.find_spec("openvino") is None:
        raise EncoderError(f"{path}: {NEEDED}")
    try:
        return unmapped().read_model(path, path.with_suffix(".bin"))
    except RuntimeError as error:
        raise EncoderError(f"{path}: OpenVINO cannot load it: {reason(error)}") from None


def compiled(model: Any, threads: int | None) -> Any:
    """The network for the processor, with this process' share of it; None: all of it."""
    import openvino

    settings: dict[str, object] = {
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # else less precise where the processor can
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return openvino.Core().compile_model(model, "CPU", settings)


def unmapped() -> Any:
    """OpenVINO, made to read weights: mapped into memory, they would change with their file."""
    mute_openvino()
    import openvino

    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})
    return core


def reason(error: RuntimeError) -> str:
    """What OpenVINO says, in a line, without where in its own code that is said."""
    where = "Exception from", "Check '"
    lines = [line for line in str(error).splitlines() if not line.startswith(where)]
    return " ".join(" ".join(lines).split())[:200]


def mute_openvino() -> None:
    """Keeps OpenVINO from sending reports of use, which it does unasked; before its import.

    It does without the package that sends them where that cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
