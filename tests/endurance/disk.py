"""A small disk of its own, to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK = b"\0" * 2**16


class Disk:
    """A tmpfs on ``folder``; root alone may mount one, so look at ``there``."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
        try:
            self.there = subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            self.there = False

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free meanwhile."""
        filler = self._folder / "filler"
        descriptor = os.open(filler, os.O_CREAT | os.O_WRONLY)
        with suppress(OSError):
            while True:
                os.write(descriptor, _CHUNK)
        with suppress(OSError):
            while True:
                os.write(descriptor, b"\0")
        try:
            yield
        finally:
            os.close(descriptor)
            filler.unlink()

    def close(self) -> None:
        if self.there:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=False)
