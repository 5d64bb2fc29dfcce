"""Serves the metrics of a host to Prometheus: ``GET /metrics``, nothing else."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST

from pipeline.config import Site, metrics_address
from pipeline.errors import CamtrailError
from pipeline.telemetry.gather import gather

_KEPT_SECONDS = 0.5  # however many ask, the processes are asked no oftener
_HEAR_SECONDS = 5.0  # for a request to come whole


@contextlib.contextmanager
def serving(site: Site, listen: str) -> Iterator[str]:
    """Serves at ``HOST:PORT`` from threads of its own; gives the address, in which port 0 is the
    one that was found.

    Raises:
        CamtrailError: it cannot listen there.
    """
    host, port = metrics_address(listen)
    server_class = _Server6 if ":" in host else _Server
    try:
        server = server_class((host, port), _Handler)
    except OSError as error:
        raise CamtrailError(
            f"telemetry.metrics: cannot listen on {listen}: {error.strerror}; choose another "
            "port, or `off`"
        ) from None
    server.answer = _Answer(lambda: gather(site))
    server.loopback = _is_loopback(host)
    thread = threading.Thread(target=server.serve_forever, name="metrics-http", daemon=True)
    thread.start()
    name = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{name}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()


class _Answer:
    """The newest answer; for any number of threads."""

    def __init__(self, gathered: Callable[[], bytes]) -> None:
        self._gathered = gathered
        self._lock = threading.Lock()
        self._at = -_KEPT_SECONDS
        self._text = b""

    def __call__(self) -> bytes:
        with self._lock:
            if time.monotonic() - self._at >= _KEPT_SECONDS:
                self._text = self._gathered()
                self._at = time.monotonic()
            return self._text


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: _Answer
    loopback: bool

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asks may go away before the answer."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    timeout = _HEAR_SECONDS
    server_version = "camtrail"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        if urlsplit(self.path).path != "/metrics":
            self._send(404, b"there is /metrics here\n", "text/plain")
        elif self.server.loopback and not self._is_by_address():
            # A page of somebody else's in a browser here may let its name point at 127.0.0.1.
            self._send(403, b"this is not reached under that name\n", "text/plain")
        else:
            self._send(200, self.server.answer(), CONTENT_TYPE_LATEST)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants a line for each scrape."""

    def _is_by_address(self) -> bool:
        try:
            return _is_loopback(urlsplit(f"//{self.headers.get('Host', '')}").hostname or "")
        except ValueError:
            return False

    def _send(self, status: int, text: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(text)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
