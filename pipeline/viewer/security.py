"""What every answer says and every question must: the browser's side of keeping things private.

Without a login the only protection of a page on loopback is who can reach it. A page of somebody
else's that is open in the same browser can: by a name that it lets point at 127.0.0.1 (the
``Host`` it then sends is its own), or by sending a form (its ``Origin`` is its own). Beyond
loopback there is a login (see `pipeline.viewer.access`), and what is sent has to be encrypted.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.config import Viewer

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")


_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be this machine."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


@dataclass(frozen=True)
class Door:
    """How the viewer is reached: only from this machine or also from others, under which names,
    and whether through a proxy.
    """

    loopback: bool
    proxied: bool
    names: frozenset[str]

    @staticmethod
    def of(settings: Viewer) -> Door:
        """As ``site.yaml`` says."""
        names = frozenset(name.lower() for name in settings.names)
        return Door(is_loopback(settings.host), bool(settings.behind_proxy), names)

    @property
    def open_at_first(self) -> bool:
        """Whether nobody has to log in while there is no user."""
        return self.loopback and not self.proxied

    def fault(self, scope: Scope) -> str:
        """Why a request is not answered; empty where it may be."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "this is not reached under that name; viewer.names in site.yaml allows names"
        if not self.open_at_first and scope["scheme"] != "https":
            return "this is reached by https only; a proxy says X-Forwarded-Proto"
        if self.open_at_first and any(name in headers for name in _OF_PROXIES):
            return "a proxy sends this, and viewer.behind_proxy in site.yaml does not name it"
        return "" if scope["method"] in _SAFE else _origin_fault(headers, host)

    def _is_ours(self, host: str) -> bool:
        name = _host_name(host)
        if is_loopback(name) or name.lower() in self.names:
            return True
        return not self.loopback and _is_address(name)  # no page can let an address be its name


class Guard:
    """Refuses what does not come from our own pages, and adds the headers."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        fault = self._door.fault(scope)
        app = JSONResponse({"detail": fault}, 403) if fault else self._app
        await app(scope, receive, with_headers)


def _origin_fault(headers: Headers, host: str) -> str:
    origin = headers.get("origin")
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign or (origin is not None and urlsplit(origin).netloc != host):
        return "this request comes from a page of another site"
    return ""


def _host_name(host: str) -> str:
    """Of the header ``Host``, without the port; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
