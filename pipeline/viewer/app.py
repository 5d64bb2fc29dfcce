"""The application: routes, guard, and what is answered when something is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response
from starlette.types import Scope

from pipeline.config import Site, redact
from pipeline.errors import CamtrailError
from pipeline.viewer import api, corrections, events, live, pages, search
from pipeline.viewer.listing import CursorError
from pipeline.viewer.security import Guard
from pipeline.viewer.state import Viewer


def create_app(site: Site) -> FastAPI:
    """The application for a site, which need not run."""
    viewer = Viewer.of(site)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        viewer.health.close()

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
        corrections.router,
        search.router,
        events.router,
        live.router,
        pages.router,
    ):
        app.include_router(router)
    app.mount("/static", _Static(directory=Path(__file__).parent / "static"))
    app.add_exception_handler(CamtrailError, _told)
    app.add_exception_handler(DBAPIError, _store_away)
    app.add_middleware(Guard)
    return app


class _Static(StaticFiles):
    """Asked for again each time, since another version of us may serve them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _told(_: Request, error: Exception) -> JSONResponse:
    status = 422 if isinstance(error, CursorError) else 503
    return JSONResponse({"detail": redact(str(error))}, status)


async def _store_away(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DBAPIError)
    return JSONResponse({"detail": f"the store cannot be read now: {error.orig}"}, 503)
