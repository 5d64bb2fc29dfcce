"""The cameras' frames with names, while somebody watches."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing, suppress
from typing import Annotated, Any

import redis
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from pipeline.bus import Keys, Preview, WireError, connect, decode_preview
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey
from pipeline.viewer.access.log import Look
from pipeline.viewer.api import PREFIX, Here, check_camera, look
from pipeline.viewer.clear import sees_clearly
from pipeline.viewer.events import event, event_stream
from pipeline.viewer.state import Viewer

WATCH_SECONDS = 5  # for which a worker sends after it was asked
MAX_STREAMS = 8  # each takes a thread most of the time

_ASK_SECONDS = 2.0
_BLOCK_SECONDS = 0.5
_AWAY_SECONDS = 1.0

router = APIRouter(prefix=PREFIX)


class Watcher:
    """Asks workers for their frames and receives them. One thread at a time."""

    def __init__(self, site: Site, cameras: Sequence[str]) -> None:
        keys = Keys(site.site)
        self._watched = [keys.watched(camera) for camera in cameras]
        self._channels = [keys.live(camera) for camera in cameras]
        self._client: Any = connect(site, name="camtrail-viewer-live")
        self._messages: Any = None
        self._asked = -_ASK_SECONDS

    def read(self) -> list[Preview]:
        """The newest frame of each camera that has sent one since; waits for the first, not long.

        Raises:
            redis.RedisError, OSError: Redis is away; the next call tries it again.
        """
        try:
            return self._read()
        except (redis.RedisError, OSError):
            self._let_go()
            raise

    def close(self) -> None:
        """Asks no more; the workers stop when the last request has expired."""
        self._let_go()
        self._client.close()

    def _read(self) -> list[Preview]:
        if self._messages is None:
            self._messages = self._client.pubsub(ignore_subscribe_messages=True)
            self._messages.subscribe(*self._channels)
        if time.monotonic() - self._asked >= _ASK_SECONDS:
            with self._client.pipeline(transaction=False) as pipeline:
                for key in self._watched:
                    pipeline.set(key, 1, ex=WATCH_SECONDS)
                pipeline.execute()
            self._asked = time.monotonic()
        newest: dict[bytes, bytes] = {}
        message = self._messages.get_message(timeout=_BLOCK_SECONDS)
        while message is not None:
            newest[message["channel"]] = message["data"]
            message = self._messages.get_message()
        found = []
        for data in newest.values():
            with suppress(WireError):  # of another version: as if there were none
                found.append(decode_preview(data))
        return found

    def _let_go(self) -> None:
        self._asked = -_ASK_SECONDS
        if self._messages is not None:
            with suppress(redis.RedisError, OSError):
                self._messages.close()
            self._messages = None


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "The frames"}},
)
async def stream_frames(
    here: Here, camera: Annotated[list[str] | None, Query(max_length=64)] = None
) -> StreamingResponse:
    """The newest frames of some cameras, or of all, as server-sent events.

    `frame`: `camera`, `time`, `width`, `height`, `image` (JPEG, base64) and `people`, each with
    its `box` in pixels of `width` x `height`, `identity` and `name` (null: not decided yet).
    `away`: `detail`, why nothing can be seen now; it is tried again.
    """
    for name in camera or []:
        await run_in_threadpool(check_camera, here, name)
    clear = sees_clearly(here)
    if clear and here.site.privacy.hidden("live") != "none":
        await run_in_threadpool(look, here, Look.CLEAR)
    if here.streams.count >= MAX_STREAMS:
        raise HTTPException(503, f"{MAX_STREAMS} watch already; close another page first")
    return event_stream(here, _frames(here, camera or list(here.site.cameras), clear))


async def _frames(here: Viewer, cameras: Sequence[str], clear: bool) -> AsyncGenerator[str]:
    with here.streams, closing(Watcher(here.site, cameras)) as watcher:
        yield "retry: 2000\n\n"
        while True:
            try:
                previews = await run_in_threadpool(watcher.read)
            except (redis.RedisError, OSError) as error:
                yield event("away", {"detail": f"Redis is away ({type(error).__name__})"})
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            known = await run_in_threadpool(_known, here) if previews else ({}, {})
            for preview in previews:
                yield event("frame", _shown(preview, *known, clear))
            if not previews:
                yield ": nothing new\n\n"


def _known(here: Viewer) -> tuple[dict[TrackletKey, int], dict[int, str]]:
    """Whose tracklets are in view, and their names."""
    try:
        details = here.records.details
        identities = details.identities_in_view()
        return identities, details.names(set(identities.values()))
    except CamtrailError:  # no store yet: nobody is decided
        return {}, {}


def _shown(
    preview: Preview, identities: dict[TrackletKey, int], names: dict[int, str], clear: bool
) -> dict[str, Any]:
    people = []
    for track, box in preview.people.items():
        identity = identities.get(TrackletKey(preview.camera, preview.run, track))
        name = names.get(identity) if identity is not None else None
        people.append({"box": box, "identity": identity, "name": name})
    picture = preview.clear if clear and preview.clear is not None else preview.jpeg
    return {
        "camera": preview.camera,
        "time": preview.time,
        "width": preview.width,
        "height": preview.height,
        "people": people,
        "image": base64.b64encode(picture).decode(),
    }
