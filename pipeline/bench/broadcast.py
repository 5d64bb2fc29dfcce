"""Videos served over HTTP as cameras would send them: at their own pace, all by one clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error

LEAD = 0.5  # seconds from the word to begin to the first frame


@dataclass(frozen=True)
class Film:
    """The packets of an H.264 file, of which the first shows a whole picture."""

    path: Path
    fps: float

    @cached_property
    def packets(self) -> list[tuple[bytes, bool]]:
        """In their order; whether each shows a whole picture."""
        with av.open(str(self.path)) as container:
            packets = container.demux(video=0)
            return [(bytes(packet), packet.is_keyframe) for packet in packets if packet.size]


class Broadcast:
    """Serves films on loopback. Until `begin` is called each shows its first picture, so that
    whoever looks is connected when it begins; then all run, once.
    """

    def __init__(self, films: Mapping[str, Path], fps: float) -> None:
        self.films = {name: Film(path, fps) for name, path in films.items()}
        self._began = threading.Event()
        self._closing = threading.Event()
        self._first = 0.0  # by the monotonic clock
        broadcast = self

        class Handler(_Handler):
            owner = broadcast

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        """Where a film is seen."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}.ts"

    def begin(self) -> float:
        """Starts the films; the time, in seconds since the epoch, of their first frame."""
        self._first = time.monotonic() + LEAD
        self._began.set()
        return time.time() + LEAD

    def close(self) -> None:
        """Ends every connection."""
        self._closing.set()
        self._began.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def show(self, film: Film, file: Any) -> None:
        """Sends a film to somebody, and the first picture until it begins."""
        with av.open(str(film.path)) as source, _open_stream(file) as sink:
            stream = sink.add_stream_from_template(source.streams.video[0])
            sent = 0
            due = time.monotonic()
            while not self._running(due):
                _send(sink, stream, film, 0, sent)
                sent += 1
                due += 1 / film.fps
                self._closing.wait(max(0.0, due - time.monotonic()))
            for number in range(len(film.packets)):
                if self._closing.wait(max(0.0, self._first + number / film.fps - time.monotonic())):
                    return
                _send(sink, stream, film, number, sent)
                sent += 1

    def _running(self, due: float) -> bool:
        return self._closing.is_set() or (self._began.is_set() and due >= self._first)


class _Handler(BaseHTTPRequestHandler):
    owner: Broadcast

    def do_GET(self) -> None:
        film = self.owner.films.get(self.path.strip("/").removesuffix(".ts"))
        if film is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        with suppress(OSError, av.error.FFmpegError):  # whoever looked has gone
            self.owner.show(film, self.wfile)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to know."""


def _open_stream(file: Any) -> Any:
    options = {"flush_packets": "1", "max_delay": "0"}
    return av.open(file, "w", format="mpegts", options=options)


def _send(sink: Any, stream: Any, film: Film, number: int, sent: int) -> None:
    data, whole = film.packets[number]
    packet = av.Packet(data)
    packet.stream = stream
    packet.time_base = 1 / Fraction(film.fps).limit_denominator(1001)
    packet.pts = packet.dts = sent
    packet.is_keyframe = whole
    sink.mux(packet)
