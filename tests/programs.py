"""The real programs, as a user calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def camtrail(*arguments: str | Path) -> str:
    """What `camtrail` prints; it must succeed."""
    return _run("pipeline.cli", arguments)


def camtrail_train(*arguments: str | Path) -> str:
    """What `camtrail-train` prints; it must succeed."""
    return _run("train.cli", arguments)


def _run(module: str, arguments: tuple[str | Path, ...]) -> str:
    command = [sys.executable, "-c", f"from {module} import main; main()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
