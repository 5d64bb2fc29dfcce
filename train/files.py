"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

from train.errors import TrainError


def write_text(file: Path, text: str) -> None:
    """Write a file in UTF-8, or leave the one that is there as it is.

    Raises:
        TrainError: it cannot be written.
    """
    partial = file.with_name(file.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainError(f"{file}: cannot be written ({error.strerror})") from None
