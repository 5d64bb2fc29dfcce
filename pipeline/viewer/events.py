"""Live changes as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from pipeline.errors import CamtrailError
from pipeline.viewer.access.asker import Asker, current
from pipeline.viewer.api import PREFIX, Here
from pipeline.viewer.state import Viewer

_LET_IN_SECONDS = 2.0  # how often it is asked
_PAUSE_SECONDS = 1.0
_QUIET_SECONDS = 15  # after which something is said, so that a lost listener is noticed

router = APIRouter(prefix=PREFIX)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "The events"}},
)
async def stream_events(here: Here) -> StreamingResponse:
    """What changes, as it changes.

    `cameras`: as `/cameras` answers. `identities`: `version` of the list and `changed`, the
    identities that changed since the event before; null: any may have.
    """
    return event_stream(here, _events(here))


def event_stream(here: Viewer, events: AsyncGenerator[str]) -> StreamingResponse:
    """An answer that goes on for as long as who asks would be let in, in the same role."""
    return StreamingResponse(_while_let_in(here, events), media_type="text/event-stream")


async def _while_let_in(here: Viewer, events: AsyncGenerator[str]) -> AsyncIterator[str]:
    asker, looked = current(), time.monotonic()
    async with aclosing(events):
        async for text in events:
            if time.monotonic() - looked >= _LET_IN_SECONDS:
                if not await run_in_threadpool(_is_let_in, here, asker):
                    return
                looked = time.monotonic()
            yield text


def event(name: str, data: Any) -> str:
    """One event; ``data`` as JSON."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def _is_let_in(here: Viewer, asker: Asker) -> bool:
    try:
        found = here.access.recognise(asker.credentials)
        return found is not None and found.role is asker.role
    except CamtrailError:  # the next request says what is wrong
        return False


async def _events(here: Viewer) -> AsyncGenerator[str]:
    yield "retry: 2000\n\n"
    version, cameras, quiet = 0, None, 0.0
    while True:
        said = []
        now = await run_in_threadpool(here.health.cameras)
        if now != cameras:
            cameras = now
            said.append(event("cameras", now.model_dump(mode="json")))
        changed = await run_in_threadpool(_changes, here, version)
        if changed is not None:
            version = changed["version"]
            said.append(event("identities", changed))
        quiet = 0.0 if said else quiet + _PAUSE_SECONDS
        if quiet >= _QUIET_SECONDS:
            quiet = 0.0
            said.append(": still here\n\n")
        for text in said:
            yield text
        await asyncio.sleep(_PAUSE_SECONDS)


def _changes(here: Viewer, version: int) -> dict[str, Any] | None:
    """What changed since a version; None where nothing did, or the store cannot be read."""
    try:
        now = here.records.view().version
        if now == version:
            return None
        return {"version": now, "changed": here.records.catalogue.changed(version)}
    except CamtrailError:
        return None
