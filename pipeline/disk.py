"""What a disk says, and where files are written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.errors import CamtrailError


def refusal(folder: Path) -> str:
    """Why nothing can be written to a folder; "" where something can.

    SQLite says "disk I/O error" for whatever it was; this says which.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return ""


def partial_of(path: Path) -> Path:
    """Where a file or folder is written, to take its place once it is whole.

    Raises:
        CamtrailError: the path is no name: "/", "." or "..".
    """
    if path.name in ("", ".."):
        raise CamtrailError(f"{path} cannot be replaced; give a new name, as in {path / 'NAME'}")
    return path.with_name(path.name + ".partial")
