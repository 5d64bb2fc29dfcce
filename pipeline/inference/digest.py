"""Whether a file of weights is the one that the configuration means."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import CamtrailError
from reid_models.header import network_files


def verify(path: Path, wanted: str | None, section: str) -> None:
    """Compares the file's SHA-256 with ``wanted``, where there is one.

    Args:
        path: of the file, or of a folder: then what counts is its files one after the other, in
            the order of their names (``cat FOLDER/* | sha256sum``). Of NAME.xml it is NAME.bin
            and then that file.
        wanted: 64 hexadecimal digits.
        section: of ``site.yaml``, where it stands.

    Raises:
        CamtrailError: it is another file, or cannot be read.
    """
    if wanted is None:
        return
    try:
        found = sha256(path)
    except OSError as error:
        raise CamtrailError(f"{error.filename or path}: cannot be read: {error.strerror}") from None
    if found != wanted.lower():
        raise CamtrailError(
            f"{path}: not the file that {section}.sha256 means: its SHA-256 is {found}; "
            "bring the right file, or correct site.yaml if you trust this one"
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file or folder, as `verify` means it, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in sorted(path.iterdir()) if path.is_dir() else network_files(path):
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
