"""Folders of a run of the tests beside pytest's own; they go with it, even where it is killed."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

_RUN = "CAMTRAIL_TESTS"  # in the environment, so that the processes of a run share its folder


def own_folder(name: str) -> Path:
    """A new folder of this process; what killed processes left of that name is removed."""
    prefix = f"camtrail-{name}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        process = left.name.removeprefix(prefix).partition("-")[0]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))


def open_run() -> Path:
    """The folder of a new run, for this process and those that it starts."""
    folder = own_folder("tests")
    os.environ[_RUN] = str(folder)
    return folder


def close_run() -> None:
    shutil.rmtree(os.environ.pop(_RUN), ignore_errors=True)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder that ``make`` fills, once for all processes of the run."""
    if _RUN not in os.environ:  # no run of pytest: a benchmark
        open_run()
        atexit.register(close_run)
    folder = Path(os.environ[_RUN]) / "made" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            partial = folder.with_name(f"{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder
