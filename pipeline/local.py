"""Sockets between the processes of a host, in folders that only their owner may look into."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """A way to the socket ``name`` in a folder that fits into an address, which has room for 107
    bytes. Elsewhere than on Linux it is the path itself.

    Raises:
        OSError: there is no such folder.
    """
    if not hasattr(os, "O_PATH"):
        yield str(folder / name)
        return
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)
