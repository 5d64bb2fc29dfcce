"""`camtrail viewer`: binds the port and serves."""

from __future__ import annotations

import signal
import socket
import sys

import uvicorn

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.viewer.app import create_app
from pipeline.viewer.security import is_loopback


def run(site: Site, host: str | None, port: int | None) -> None:
    """As the command line calls it; what is given there stands above ``site.yaml``."""
    given = {"host": host, "port": port}
    said = {name: value for name, value in given.items() if value is not None}
    serve(site.model_copy(update={"viewer": site.viewer.model_copy(update=said)}))


def serve(site: Site) -> None:
    """Serves until SIGTERM or Ctrl-C where ``site.viewer`` says; prints the address first.

    Raises:
        CamtrailError: the host is not loopback, or the port cannot be had.
    """
    host, port = site.viewer.host, site.viewer.port
    if not is_loopback(host):
        raise CamtrailError(
            f"--host {host}: the viewer has no login yet, so it listens on loopback only "
            f"(127.0.0.1, ::1, localhost). From another machine: "
            f"ssh -L {port}:127.0.0.1:{port} THIS_HOST, then open http://127.0.0.1:{port}/ there"
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the server raises them again when it has stopped
    with _listen(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        print(f"http://{name}:{listening.getsockname()[1]}/", flush=True)
        options = uvicorn.Config(
            create_app(site),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # streams of events never end by themselves
        )
        uvicorn.Server(options).run(sockets=[listening])
    print("camtrail: the viewer has stopped", file=sys.stderr)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CamtrailError(
            f"--port {port}: cannot listen on {host}: {error.strerror}; choose another --port"
        ) from None
    return listening
