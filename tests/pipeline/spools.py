"""What was published, read from the workers' spools while they run and without our own code."""

from __future__ import annotations

import struct
import threading
import zlib
from pathlib import Path

import msgpack

from pipeline.config import Site

Update = tuple[str, str, int, int]


class SpoolReader(threading.Thread):
    """Collects every update that ever stood in a spool: ``(camera, run, track, seq)``."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.updates: set[Update] = set()
        self._site = site
        self._done = threading.Event()
        self._sizes: dict[Path, int] = {}

    def run(self) -> None:
        while not self._done.wait(0.1):
            self.scan()

    def finish(self) -> set[Update]:
        self._done.set()
        self.join()
        self.scan()
        return self.updates

    def scan(self) -> None:
        for path in self._site.spool_dir.glob("*/*.seg"):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            if self._sizes.get(path) == len(data):
                continue
            self._sizes[path] = len(data)
            while len(data) >= 8:
                length, crc = struct.unpack_from("<II", data)
                payload, data = data[8 : 8 + length], data[8 + length :]
                if len(payload) == length and zlib.crc32(payload) == crc:
                    self._collect(msgpack.unpackb(payload)[2])

    def _collect(self, messages: list[bytes]) -> None:
        for message in messages:
            if message[1:2] == b"u":
                camera, run, _, track, seq = msgpack.unpackb(message[2:])[:5]
                self.updates.add((camera, run, track, seq))
