"""Playing what was recorded of a visit, with the person's path to draw over it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.viewer.access.log import Look
from pipeline.viewer.api import PREFIX, Here, Number, look
from pipeline.viewer.blurring import longest_piece
from pipeline.viewer.clear import hidden_from_asker
from pipeline.viewer.details import Stay
from pipeline.viewer.footage import NothingRecordedError, Piece, footage_of
from pipeline.viewer.models import Problem
from pipeline.viewer.state import Viewer

LONGEST_PATH = 600.0  # seconds of a path in one answer

_NEAR = 1e-3  # seconds: a time that went to the browser and back

router = APIRouter(
    prefix=f"{PREFIX}/visits",
    responses={
        404: {"model": Problem, "description": "There is no such visit, or nothing of it to play"},
        503: {"model": Problem, "description": "The store cannot be read now"},
    },
)

Moment = Annotated[float, Query(description="seconds since the epoch", ge=0, le=1e11)]


class PieceToPlay(BaseModel):
    """A stretch of a visit that is one clip."""

    model_config = ConfigDict(frozen=True)

    start: float = Field(description="capture time of the clip's first picture")
    end: float
    clip: str = Field(description="address of the video")
    path: str = Field(description="address of the person's boxes")


class VisitFootage(BaseModel):
    """What can be played of a visit."""

    model_config = ConfigDict(frozen=True)

    camera: str
    start: float = Field(description="of what is played: some time before somebody comes")
    end: float
    pieces: list[PieceToPlay]


class VisitPath(BaseModel):
    """Where a person was in the picture."""

    model_config = ConfigDict(frozen=True)

    points: list[tuple[float, float, float, float, float]] = Field(
        description="capture time, x1, y1, x2, y2 in pixels of the camera's full picture"
    )


@router.get("/{tracklet}/footage")
def get_footage(here: Here, tracklet: Number) -> VisitFootage:
    """What can be played of a visit, in pieces of about a minute at most."""
    stay = _stay(here, tracklet)
    start, end = _margins(here, stay)
    longest = longest_piece(hidden_from_asker(here, "clips"))
    pieces = footage_of(here.site, stay.camera).pieces(start, end, longest)
    at = f"{PREFIX}/visits/{tracklet}"

    def piece(found: Piece) -> PieceToPlay:
        query = urlencode({"start": repr(found.start), "end": repr(found.end)})
        return PieceToPlay(
            start=found.start, end=found.end, clip=f"{at}/clip?{query}", path=f"{at}/path?{query}"
        )

    return VisitFootage(
        camera=stay.camera, start=start, end=end, pieces=[piece(found) for found in pieces]
    )


@router.get(
    "/{tracklet}/clip",
    response_class=Response,
    responses={
        200: {"content": {"video/mp4": {}}, "description": "The clip"},
        206: {"content": {"video/mp4": {}}, "description": "A part of its bytes"},
        416: {"model": Problem, "description": "It does not have these bytes"},
    },
)
def get_clip(
    here: Here,
    tracklet: Number,
    start: Moment,
    end: Moment,
    range: Annotated[str | None, Header(description="bytes=FIRST-LAST")] = None,
) -> Response:
    """One of the pieces of `footage`, as the camera sent it: copied, not encoded anew. Where people
    are to be hidden from who asks, it is encoded anew, without them.
    """
    stay = _stay(here, tracklet)
    what = hidden_from_asker(here, "clips")
    if what == "none" != here.site.privacy.hidden("clips"):
        look(here, Look.CLEAR)
    footage = footage_of(here.site, stay.camera)
    pieces = footage.pieces(*_margins(here, stay), longest_piece(what))
    # What is still recorded may have grown since it was listed: the clip stays as it was then.
    for piece in pieces:
        if abs(piece.start - start) < _NEAR and end <= piece.end + _NEAR:
            wanted = Piece(piece.start, min(end, piece.end))
            if what == "none":
                return _answer(footage.clip(wanted), range)
            return _answer(here.blurring.clip(stay.camera, footage, wanted, what), range)
    raise NothingRecordedError("this is not recorded any more; load the visit again")


@router.get("/{tracklet}/path")
def get_path(here: Here, tracklet: Number, start: Moment, end: Moment) -> VisitPath:
    """Where the person was in the picture, for ten minutes at most."""
    _stay(here, tracklet)
    if end - start > LONGEST_PATH:
        raise HTTPException(422, f"end: at most {LONGEST_PATH:.0f} seconds after start")
    points = []
    for part in here.records.details.path(tracklet, start, end):
        inside = (part.times >= start) & (part.times <= end)
        rows = np.column_stack([part.times[inside], part.boxes[inside].round(1)])
        points += [tuple(row) for row in rows.tolist()]
    return VisitPath(points=points)


async def nothing_recorded(_: Request, error: Exception) -> JSONResponse:
    """What is answered to `NothingRecordedError`."""
    return JSONResponse({"detail": str(error)}, 404)


def _stay(here: Viewer, tracklet: int) -> Stay:
    """The visit that is asked for; it is written down who asks."""
    stay = here.records.details.stay(tracklet)
    if stay is None:
        raise HTTPException(404, f"there is no visit {tracklet}")
    if stay.identity is not None:
        look(here, Look.RECORDING, [stay.identity])
    return stay


def _margins(here: Viewer, stay: Stay) -> tuple[float, float]:
    options = here.site.recording
    return stay.start - options.before, stay.end + options.after


def _answer(data: bytes, wanted: str | None) -> Response:
    """All of it, or the bytes that a browser asks for to go to another place."""
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}
    if wanted is None or not wanted.startswith("bytes=") or "," in wanted:
        return Response(data, media_type="video/mp4", headers=headers)
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", wanted)
    first, last = _bounds(match[1], match[2], len(data)) if match else (0, -1)
    if first > last:
        raise HTTPException(
            416,
            f"Range {wanted}: the clip has {len(data)} bytes",
            headers={"Content-Range": f"bytes */{len(data)}"},
        )
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, media_type="video/mp4", headers=headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first and last byte; the last before the first where there are none."""
    if not first:  # the last so many
        return (size - min(int(last), size), size - 1) if last else (0, -1)
    return int(first), min(int(last or size), size - 1)
