"""Ports for servers of the tests."""

from __future__ import annotations

import random
import socket

# Below those that Linux gives to connections, so that none takes the port before its server does,
# and below 55,535, above which a Redis cluster refuses to start.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port on loopback at which nobody listens; another one at each call, very likely."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
