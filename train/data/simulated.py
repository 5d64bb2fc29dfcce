"""Simulated people as a data set: ``simulated[:seed=1,train_identities=300,...]``.

Rendered once into a cache folder ($CAMTRAIL_CACHE, else ~/.cache/camtrail) that is named after
the options and the simulator's own source, so that a changed simulator never serves old images.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

import pipeline.simulate
from pipeline.simulate import CropOptions, simulate_crops
from train.data.cache import cache_folder
from train.errors import TrainError

PREFIX = "simulated"
_SEED = 9002  # demos use seeds below 9000, so that no demo shows people that were trained on


def simulated_folder(name: str) -> Path:
    """The folder with the crops that ``name`` asks for, in Market-1501's layout.

    Raises:
        TrainError: the name has an unknown option or a value that is not a whole number.
    """
    options = _parse(name)
    key = hashlib.sha256(json.dumps(asdict(options), sort_keys=True).encode())
    package = Path(pipeline.simulate.__file__).parent
    for source in sorted(package.glob("*.py")):
        key.update(source.read_bytes())
    folder = cache_folder() / f"crops-{options.seed}-{key.hexdigest()[:16]}"
    if not folder.is_dir():
        print(f"rendering {name} into {folder} (once)", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix="partial-"))
        try:
            simulate_crops(partial / "crops", options)
            _publish(partial / "crops", folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _publish(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was quicker with the same images
            raise


def _parse(name: str) -> CropOptions:
    allowed = [field.name for field in fields(CropOptions)]
    values: dict[str, int] = {"seed": _SEED}
    for item in filter(None, name.removeprefix(PREFIX).removeprefix(":").split(",")):
        key, _, value = item.partition("=")
        if key not in allowed:
            raise TrainError(f"--data {name}: unknown option {key!r}; known: {', '.join(allowed)}")
        if not value.isdecimal():
            raise TrainError(f"--data {name}: {key} must be a whole number, not {value!r}")
        values[key] = int(value)
    return CropOptions(**values)
