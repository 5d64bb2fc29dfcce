"""What a disk says."""

from __future__ import annotations

import tempfile
from pathlib import Path


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
