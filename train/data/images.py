"""Reading images, and finding those that cannot be read before the training does."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from train.data.cache import cache_folder
from train.errors import TrainError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}

# What PIL raises; ultralytics, once imported, answers an unknown format with an import of its own
UNREADABLE = (OSError, ValueError, SyntaxError, ImportError, Image.DecompressionBombError)

_WORTH_KEEPING = 2_000  # images from which on the result of a check is kept
_BLOCK = 1_000  # images opened between two looks at the clock
_SAY_EVERY = 10.0  # seconds


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """An image as RGB uint8 H x W x 3.

    Raises:
        TrainError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except UNREADABLE as error:
        raise TrainError(f"{path}: not a readable image ({error})") from None


def unreadable(paths: Sequence[Path]) -> dict[Path, str]:
    """Opens every image; why some cannot be read.

    What was found in many images is kept in the cache under a digest of their names, sizes and
    times of change, so that it need not be found again at every start.
    """
    if len(paths) < _WORTH_KEEPING:
        return _open_all(paths)
    kept = cache_folder() / f"checked-{_digest(paths)}.json"
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        faults = _open_all(paths)
        _keep(kept, faults)
        return faults
    return {Path(path): reason for path, reason in found.items()}


def _open_all(paths: Sequence[Path]) -> dict[Path, str]:
    faults: dict[Path, str] = {}
    began = said = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            found = zip(block, pool.map(_fault, block), strict=True)
            faults |= {path: fault for path, fault in found if fault}
            now, done = time.monotonic(), start + len(block)
            if now - said > _SAY_EVERY and done < len(paths):
                said = now
                left = (now - began) / done * (len(paths) - done)
                print(
                    f"opening each image once: {done} of {len(paths)}, {left:.0f} s left",
                    file=sys.stderr,
                    flush=True,
                )
    return faults


def _fault(path: Path) -> str:
    try:
        read_image(path)
    except TrainError as error:
        return str(error)
    return ""


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            state = path.stat()
            line = f"{path.absolute()} {state.st_size} {state.st_mtime_ns}\n"
        except OSError:
            line = f"{path.absolute()} missing\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _keep(file: Path, faults: dict[Path, str]) -> None:
    partial = file.with_suffix(".partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps({str(p): f for p, f in faults.items()}), encoding="utf-8")
        partial.replace(file)
    except OSError as error:  # the next start takes as long again; that is all
        print(f"{file}: cannot be kept: {error.strerror}", file=sys.stderr)
