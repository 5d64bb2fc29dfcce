"""Login, logout and the audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import CamtrailError
from pipeline.viewer import models
from pipeline.viewer.access.access import LoginError, TooOftenError
from pipeline.viewer.access.asker import Asker, current
from pipeline.viewer.access.gate import cookie_name, needs
from pipeline.viewer.access.history import Page, Position, read_page
from pipeline.viewer.access.roles import Role
from pipeline.viewer.api import LARGEST, PREFIX, Here, Limit
from pipeline.viewer.metrics import LOGINS

router = APIRouter(prefix=PREFIX)


class Login(BaseModel):
    """Who says that they are who."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=2000)]


@router.post(
    "/session",
    responses={
        401: {"model": models.Problem, "description": "Name or password is wrong"},
        429: {"model": models.Problem, "description": "Too many tries; see Retry-After"},
    },
)
def log_in(here: Here, request: Request, response: Response, body: Login) -> models.Session:
    """Logs in: the answer sets the cookie of the session."""
    address = request.client.host if request.client else ""
    try:
        asker = here.access.log_in(body.name.strip().lower(), body.password, address)
    except TooOftenError:
        LOGINS.labels("too often").inc()
        raise
    except LoginError as error:
        LOGINS.labels("refused").inc()
        raise HTTPException(401, str(error)) from None
    LOGINS.labels("done").inc()
    scheme = request.url.scheme
    response.set_cookie(
        cookie_name(scheme),
        asker.credentials.session,
        path="/",
        httponly=True,
        samesite="strict",
        secure=scheme == "https",
    )
    return _session(asker)


@router.get("/session")
def get_session() -> models.Session:
    """Who you are."""
    return _session(current())


@router.delete("/session", status_code=204)
def log_out(here: Here, request: Request, response: Response) -> None:
    """Logs out."""
    asker = current()
    if asker.credentials.session:
        here.access.log_out(asker)
    response.delete_cookie(cookie_name(request.url.scheme), path="/")
    response.headers["Clear-Site-Data"] = '"cache"'  # pictures of people, kept for minutes


@router.get("/audit", dependencies=[needs(Role.ADMINISTRATOR)])
def list_audit(
    here: Here,
    author: Annotated[str | None, Query(max_length=200, description="only what they did")] = None,
    identity: Annotated[
        int | None, Query(ge=1, le=LARGEST, description="only what was about this one")
    ] = None,
    limit: Limit = 100,
    after: Annotated[
        str | None, Query(max_length=50, description="`next` of the page before")
    ] = None,
) -> models.Audit:
    """Who looked at whom and who changed what, the newest first."""
    try:
        position = Position.parse(after) if after else Position()
    except CamtrailError as error:
        raise HTTPException(422, str(error)) from None
    try:
        store = here.records.engine
    except CamtrailError:  # nothing was ever stored
        store = None
    return _audit(read_page(here.access.log, store, author, identity, limit, position))


def _session(asker: Asker) -> models.Session:
    return models.Session(name=asker.name, role=asker.role, login=asker.login, csrf=asker.csrf)


def _audit(page: Page) -> models.Audit:
    return models.Audit(
        lines=[
            models.AuditLine(
                id=f"{'change' if changed else 'look'}-{line.id}",
                time=line.time,
                until=line.until,
                times=line.times,
                author=line.author,
                action=line.action,
                identities=line.identities,
                detail=line.detail,
            )
            for line, changed in zip(page.lines, page.changed, strict=True)
        ],
        next=None if page.next is None else str(page.next),
    )
