"""Where the inference process listens."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Site

_NAME = "inference.sock"


def folder(site: Site) -> Path:
    """The folder of the socket; only its owner may look into it."""
    return site.data_dir / "inference"


@contextlib.contextmanager
def short_path(site: Site) -> Iterator[str]:
    """A way to the socket that fits into an address, which has room for 107 bytes.

    Raises:
        OSError: there is no such folder.
    """
    handle = os.open(folder(site), os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{_NAME}"
    finally:
        os.close(handle)


def make_socket() -> socket.socket:
    """A socket on which a message is a packet."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
