"""Where the inference process listens."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from pipeline import local
from pipeline.config import Site

_NAME = "inference.sock"


def folder(site: Site) -> Path:
    """The folder of the socket; only its owner may look into it."""
    return site.data_dir / "inference"


def short_path(site: Site) -> contextlib.AbstractContextManager[str]:
    """See `pipeline.local.short_path`."""
    return local.short_path(folder(site), _NAME)


def make_socket() -> socket.socket:
    """A socket on which a message is a packet."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
