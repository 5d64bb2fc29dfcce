"""A small disk of its own, to be filled, and to be made read-only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.pipeline.bus.samples import wait_for

_CHUNK = b"\0" * 2**16
_MOUNT_SECONDS = 30.0


class Disk:
    """A tmpfs, and on ``folder`` a file system that passes everything on to it and can become
    read-only under those who write (see `tests.endurance.passthrough`).

    Attributes:
        there: whether it could be mounted, which root alone may.
        turns: whether it can become read-only; it takes FUSE.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tmpfs = folder.with_name(f"{folder.name}.disk")
        self._flag = folder.with_name(f"{folder.name}.read-only")
        self._passing: subprocess.Popen[bytes] | None = None
        self.turns = False
        self.there = _mount_tmpfs(self._tmpfs, megabytes)
        if self.there:
            self.turns = self._pass_on()
            if not self.turns:
                subprocess.run(["mount", "--bind", str(self._tmpfs), str(folder)], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free meanwhile."""
        filler = self._tmpfs / "filler"
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

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be changed meanwhile, by nobody."""
        self._flag.touch()
        try:
            yield
        finally:
            self._flag.unlink()

    def close(self) -> None:
        if self.there:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=False)
            if self._passing is not None:
                self._passing.terminate()
                self._passing.wait()
            subprocess.run(["umount", "--lazy", str(self._tmpfs)], check=False)

    def _pass_on(self) -> bool:
        if not Path("/dev/fuse").exists():
            return False
        places = [str(self._tmpfs), str(self._folder), str(self._flag)]
        command = [sys.executable, "-m", "tests.endurance.passthrough", *places]
        self._passing = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        passing = self._passing
        wait_for(lambda: self._folder.is_mount() or passing.poll() is not None, _MOUNT_SECONDS)
        return self._folder.is_mount()


def _mount_tmpfs(folder: Path, megabytes: int) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
