"""The export that a processor runs instead of the weights themselves; made once, then kept."""

from __future__ import annotations

import fcntl
import shutil
from importlib.metadata import version
from pathlib import Path

from pipeline.errors import CamtrailError
from pipeline.inference.digest import sha256
from pipeline.inference.export import PARTIAL, export
from pipeline.inference.weights import CACHE, load_weights
from pipeline.telemetry import get_logger

EXPORTS = CACHE / "exports"

log = get_logger(__name__)


def exported_once(weights: Path) -> Path | None:
    """The ONNX file of these weights; None where no export succeeds, which is logged.

    Of several processes that begin at once the first makes it, and the others wait. It is the
    export of exactly this file by this version of ultralytics.

    Raises:
        CamtrailError: the weights are not usable at all.
    """
    target = EXPORTS / f"{sha256(weights)[:32]}-{version('ultralytics')}.onnx"
    if target.is_file():
        return target
    load_weights(weights)  # what is no detector is an error, not a network without an export
    try:
        EXPORTS.mkdir(parents=True, exist_ok=True)
        with (EXPORTS / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_file():
                for left in EXPORTS.glob(f"{PARTIAL}*"):  # by a process that was killed
                    shutil.rmtree(left, ignore_errors=True)
                export(weights, "onnx", target, None)
    except (CamtrailError, OSError) as error:
        log.warning("the detector runs in torch, more slowly: no export", reason=str(error))
        return None
    return target
