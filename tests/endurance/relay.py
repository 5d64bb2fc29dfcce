"""Stands between a camera and its reader, and spoils what passes.

What RTSP sends over TCP are frames of ``$``, a channel, a length and that many bytes, between
requests and answers in text; the faults keep that framing where a network would.
"""

from __future__ import annotations

import random
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 2**16


class Relay:
    """Takes connections on a port of its own and passes them on to ``target`` on loopback.

    Attributes:
        mode: ``pass``; ``stall`` (nothing comes, the connection stays); ``drop`` (three packets of
            ten do not arrive); ``corrupt`` (a byte in a hundred is another one within packets);
            ``garbage`` (random bytes instead of all).
    """

    def __init__(self, target: int, seed: int) -> None:
        self.mode = "pass"
        self._target = target
        self._rng = random.Random(seed)
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def spoilt(self, mode: str) -> Iterator[None]:
        """With this mode meanwhile."""
        self.mode = mode
        try:
            yield
        finally:
            self.mode = "pass"

    def cut(self) -> None:
        """Ends all connections."""
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing = True
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._target), 5)
            with server:
                server.settimeout(None)
                self._sockets |= {client, server}
                try:
                    self._pass_on(client, server)
                finally:
                    self._sockets -= {client, server}

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        selector = selectors.DefaultSelector()
        selector.register(client, selectors.EVENT_READ)
        selector.register(server, selectors.EVENT_READ)
        held = b""
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(_CHUNK)  # type: ignore[union-attr]
                if not data:
                    return
                if key.fileobj is client:
                    server.sendall(data)
                    continue
                packets, held = _packets(held + data)
                for packet in packets:
                    client.sendall(self._spoil(packet))

    def _spoil(self, packet: bytes) -> bytes:
        framed = packet[:1] == b"$"
        if self.mode == "stall" or (self.mode == "drop" and framed and self._rng.random() < 0.3):
            return b""
        if self.mode == "garbage":
            return self._rng.randbytes(len(packet))
        if self.mode == "corrupt" and framed:
            spoilt = bytearray(packet)
            for _ in range(max(1, len(packet) // 100)):
                spoilt[self._rng.randrange(4, len(packet))] = self._rng.randrange(256)
            return bytes(spoilt)
        return packet


def _packets(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole packets and pieces of text, and what is left of the last packet."""
    found = []
    while data:
        if data[:1] != b"$":
            end = data.find(b"$")
            end = len(data) if end < 0 else end
        else:
            end = 4 + int.from_bytes(data[2:4], "big") if len(data) >= 4 else len(data) + 1
        if end > len(data):
            return found, data
        found.append(data[:end])
        data = data[end:]
    return found, b""
