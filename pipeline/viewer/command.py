"""`camtrail viewer`: binds the port and serves."""

from __future__ import annotations

import signal
import socket
import ssl
import sys

import uvicorn

from pipeline.config import Site, Tls
from pipeline.errors import CamtrailError
from pipeline.viewer.access.access import Access
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
        CamtrailError: other machines could reach it without a login or unencrypted, or the
            certificate or the port cannot be had.
    """
    settings = site.viewer
    host = settings.host
    _check_safe(site)
    _check_certificate(settings.tls)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the server raises them again when it has stopped
    with _listen(host, settings.port) as listening:
        name = f"[{host}]" if ":" in host else host
        scheme = "https" if settings.tls else "http"
        print(f"{scheme}://{name}:{listening.getsockname()[1]}/", flush=True)
        options = uvicorn.Config(
            create_app(site),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # streams of events never end by themselves
            proxy_headers=bool(settings.behind_proxy),
            forwarded_allow_ips=[str(network) for network in settings.behind_proxy],
            ssl_certfile=settings.tls.certificate if settings.tls else None,
            ssl_keyfile=settings.tls.key if settings.tls else None,
        )
        uvicorn.Server(options).run(sockets=[listening])
    print("camtrail: the viewer has stopped", file=sys.stderr)


def _check_safe(site: Site) -> None:
    settings = site.viewer
    if is_loopback(settings.host) and not settings.behind_proxy:
        return
    port = settings.port
    reached = f"the viewer on {settings.host} is reached from other machines"
    if not Access(site.data_dir, settings.audit_days).users.anybody():
        raise CamtrailError(
            f"{reached}: first `camtrail users add NAME --role administrator`. Or leave it on "
            f"loopback, without a login, and from another machine: ssh -L {port}:127.0.0.1:{port} "
            f"THIS_HOST, then open http://127.0.0.1:{port}/ there"
        )
    if settings.tls is None and not settings.behind_proxy:
        raise CamtrailError(
            f"{reached}, so passwords have to be encrypted: give viewer.tls in site.yaml "
            "{certificate: cert.pem, key: key.pem}, or viewer.behind_proxy with the address of "
            "the proxy that does it"
        )


def _check_certificate(tls: Tls | None) -> None:
    if tls is None:
        return
    for file in (tls.certificate, tls.key):
        if not file.is_file():
            raise CamtrailError(f"viewer.tls: {file}: no such file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise CamtrailError(
            f"viewer.tls: {tls.certificate} and {tls.key} are no certificate with its unencrypted "
            f"key, in PEM form ({getattr(error, 'reason', None) or error})"
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # who reads the address may come before the server is ready
    except OSError as error:
        listening.close()
        raise CamtrailError(
            f"--port {port}: cannot listen on {host}: {error.strerror}; choose another --port"
        ) from None
    return listening
