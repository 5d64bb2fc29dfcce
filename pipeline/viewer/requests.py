"""Each request has an identifier, which every log line about it carries, here and in the matcher,
and is counted.
"""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.telemetry import get_logger, traces
from pipeline.telemetry.identifiers import new_request
from pipeline.viewer.metrics import REQUESTS, SECONDS

HEADER = "X-Request-Id"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATIC = "/static"
_ELSEWHERE = "other"

log = get_logger(__name__)


class Numbered:
    """Gives each request its identifier, in its answer's headers too; counts and logs the answer.

    A route is logged as its pattern: what was asked for in it may be a person.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, began, status = new_request(), time.time(), 0

        async def with_identifier(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request
                _answered(scope, request, status, began)
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request):
            try:
                await self._app(scope, receive, with_identifier)
            except Exception:
                if not status:
                    _answered(scope, request, 500, began)
                raise


def _answered(scope: Scope, request: str, status: int, began: float) -> None:
    now = time.time()
    seconds = max(0.0, now - began)
    method = scope["method"] if scope["method"] in _METHODS else _ELSEWHERE
    route = _route(scope)
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(route).observe(seconds)
    say = log.warning if status >= 500 else log.debug
    say("answered", method=method, route=route, status=status, seconds=round(seconds, 4))
    if place := traces.of_request(request):
        told = {"method": method, "route": route, "status": status}
        traces.record(f"{method} {route}", place, began, now, told)


def _route(scope: Scope) -> str:
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    return _STATIC if scope["path"].startswith(f"{_STATIC}/") else _ELSEWHERE
