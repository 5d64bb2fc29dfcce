"""What every answer says and every question must: the browser's side of keeping things private.

Without a login the only protection of a page on loopback is who can reach it. A page of somebody
else's that is open in the same browser can: by a name that it lets point at 127.0.0.1 (the
``Host`` it then sends is its own), or by sending a form (its ``Origin`` is its own).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
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


def is_loopback(host: str) -> bool:
    """Whether a name or address can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses what does not come from our own pages on loopback, and adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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

        fault = _fault(scope["method"], Headers(scope=scope))
        app = JSONResponse({"detail": fault}, 403) if fault else self._app
        await app(scope, receive, with_headers)


def _fault(method: str, headers: Headers) -> str:
    host = headers.get("host", "")
    if not _is_ours(f"//{host}"):
        return "this is reached as localhost or 127.0.0.1 only"
    origin = headers.get("origin")
    if method not in _SAFE and origin is not None and urlsplit(origin).netloc != host:
        return "this request comes from a page of another site"
    return ""


def _is_ours(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False
