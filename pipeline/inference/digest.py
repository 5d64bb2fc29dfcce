"""Whether a file of weights is the one that the configuration means."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import CamtrailError


def verify(path: Path, wanted: str | None, section: str) -> None:
    """Compares the file's SHA-256 with ``wanted``, where there is one.

    Args:
        wanted: 64 hexadecimal digits.
        section: of ``site.yaml``, where it stands.

    Raises:
        CamtrailError: it is another file, or cannot be read.
    """
    if wanted is None:
        return
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CamtrailError(f"{path}: cannot be read: {error.strerror}") from None
    if found != wanted.lower():
        raise CamtrailError(
            f"{path}: not the file that {section}.sha256 means: its SHA-256 is {found}; "
            "bring the right file, or correct site.yaml if you trust this one"
        )
