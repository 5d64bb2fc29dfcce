"""The application: routes, guard, and what is answered when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Scope

from pipeline.config import Site, redact
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.viewer import api, clips, corrections, events, live, pages, plan, review, search
from pipeline.viewer.access import routes
from pipeline.viewer.access.access import Access, TooOftenError
from pipeline.viewer.access.gate import Gate, by_method
from pipeline.viewer.footage import NothingRecordedError
from pipeline.viewer.listing import CursorError
from pipeline.viewer.requests import Numbered
from pipeline.viewer.security import Guard
from pipeline.viewer.state import Viewer

_TIDY_SECONDS = 3600


def create_app(site: Site) -> FastAPI:
    """The application for a site, which need not run."""
    viewer = Viewer.of(site)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tidying = asyncio.create_task(_tidy(viewer.access))
        yield
        tidying.cancel()
        viewer.health.close()
        viewer.access.close()

    app = FastAPI(
        title="camtrail",
        description="Who was seen where, and when, across the cameras of a site.",
        version="1",
        openapi_url=f"{api.PREFIX}/openapi.json",
        docs_url=None,  # they load from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.viewer = viewer
    for router in (
        api.router,
        clips.router,
        corrections.router,
        review.router,
        events.router,
        live.router,
        pages.router,
        plan.router,
    ):
        app.include_router(router, dependencies=[by_method])
    for router in (search.router, routes.router):  # a viewer may post a picture, and log out
        app.include_router(router)
    app.mount("/static", _Static(directory=Path(__file__).parent / "static"))
    app.add_exception_handler(CamtrailError, _told)
    app.add_exception_handler(ContradictionError, _asked_back)
    app.add_exception_handler(NothingRecordedError, clips.nothing_recorded)
    app.add_exception_handler(TooOftenError, _too_often)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(DBAPIError, _store_away)
    app.add_middleware(Gate, access=viewer.access)
    app.add_middleware(Guard, door=viewer.door)  # outside: its headers are on every answer
    app.add_middleware(Numbered)  # the outermost: also what is refused is counted
    return app


async def _tidy(access: Access) -> None:
    while True:
        with suppress(CamtrailError):  # said where it matters: to who asks
            await run_in_threadpool(access.tidy)
        await asyncio.sleep(_TIDY_SECONDS)


class _Static(StaticFiles):
    """Asked for again each time, since another version of us may serve them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _told(_: Request, error: Exception) -> JSONResponse:
    status = 422 if isinstance(error, CursorError) else 503
    return JSONResponse({"detail": redact(str(error))}, status)


async def _asked_back(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": redact(str(error)), "contradiction": True}, 409)


async def _store_away(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DBAPIError)
    return JSONResponse({"detail": f"the store cannot be read now: {error.orig}"}, 503)


async def _too_often(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooOftenError)
    return JSONResponse({"detail": str(error)}, 429, headers={"Retry-After": str(error.wait)})


async def _not_understood(_: Request, error: Exception) -> JSONResponse:
    """Where and why; not what was sent, which may be a password."""
    assert isinstance(error, RequestValidationError)
    faults = [{key: fault[key] for key in ("type", "loc", "msg")} for fault in error.errors()]
    return JSONResponse({"detail": jsonable_encoder(faults)}, 422)
