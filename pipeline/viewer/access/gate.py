"""Lets requests in, or asks for a login."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.config import redact
from pipeline.errors import CamtrailError
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.asker import Asker, Credentials, asking, current
from pipeline.viewer.access.roles import Role

SAFE = ("GET", "HEAD", "OPTIONS")
CSRF_HEADER = "X-CSRF-Token"
LOGIN_PAGE = "/login"
SESSION_PATH = "/api/v1/session"

_BEARER = "bearer "


def cookie_name(scheme: str) -> str:
    """Of the session. The prefix has browsers see to it that no other host can have set it."""
    return "__Host-camtrail" if scheme == "https" else "camtrail"


class Gate:
    """Finds out who asks; who has not logged in is sent to the login."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_public(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            asker = await run_in_threadpool(self._access.recognise, _credentials(scope, headers))
        except CamtrailError as error:
            await JSONResponse({"detail": redact(str(error))}, 503)(scope, receive, send)
            return
        answer = _refusal(scope, headers, asker)
        if answer is not None or asker is None:
            await (answer or _ask_for_login(scope))(scope, receive, send)
            return
        with asking(asker):
            await self._app(scope, receive, send)


def needs(role: Role) -> Any:
    """For routes: only who has this role may use them."""

    async def check() -> None:
        own = current().role
        if not own.may(role):
            raise HTTPException(403, f"this takes the role {role}; you are {own}")

    return Depends(check)


async def _changes_need_an_operator(request: Request) -> None:
    own = current().role
    if request.method not in SAFE and not own.may(Role.OPERATOR):
        raise HTTPException(403, f"this takes the role {Role.OPERATOR}; you are {own}")


by_method = Depends(_changes_need_an_operator)


def _is_public(scope: Scope) -> bool:
    path: str = scope["path"]
    return (
        path == LOGIN_PAGE
        or path.startswith("/static/")
        or (scope["method"] == "POST" and path == SESSION_PATH)
    )


def _credentials(scope: Scope, headers: Headers) -> Credentials:
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        return Credentials(token=authorization[len(_BEARER) :].strip())
    return Credentials(session=HTTPConnection(scope).cookies.get(cookie_name(scope["scheme"]), ""))


def _refusal(scope: Scope, headers: Headers, asker: Asker | None) -> Response | None:
    """Of what changes something and comes from a browser, but not from a page of ours."""
    if asker is None or not asker.csrf or scope["method"] in SAFE:
        return None
    if hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), asker.csrf.encode()):
        return None
    return JSONResponse({"detail": f"the header {CSRF_HEADER} is missing or of another login"}, 403)


def _ask_for_login(scope: Scope) -> Response:
    path = scope["path"]
    if path.startswith("/api/"):
        return JSONResponse({"detail": "log in first"}, 401, headers={"WWW-Authenticate": "Bearer"})
    query = scope["query_string"].decode("latin-1")
    there = quote(f"{path}?{query}" if query else path)
    return RedirectResponse(f"{LOGIN_PAGE}?next={there}", 303)
