"""The route that searches by picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.concurrency import run_in_threadpool

from pipeline.records import Detections, FloatArray, Image
from pipeline.viewer import models
from pipeline.viewer.access.asker import current
from pipeline.viewer.access.log import Look
from pipeline.viewer.api import PREFIX, Here, look, summaries
from pipeline.viewer.pictures import MAX_BYTES, PictureError, read_picture
from pipeline.viewer.state import Viewer

_SHOWN = 12

router = APIRouter(prefix=PREFIX)


@router.post(
    "/search/picture",
    responses={
        413: {"model": models.Problem, "description": "Too many bytes"},
        415: {"model": models.Problem, "description": "No picture that can be used"},
        503: {"model": models.Problem, "description": "The store or the networks cannot be used"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png", "image/webp")
            },
        }
    },
)
async def search_picture(
    here: Here,
    request: Request,
    person: Annotated[
        int | None, Query(ge=0, le=10_000, description="which of `persons` is meant")
    ] = None,
    whole: Annotated[bool, Query(description="the picture shows one person and no more")] = False,
) -> models.PictureSearch:
    """Who looks like the person on this picture (the body of the request, a JPEG, PNG or WebP).

    Where several persons are on it, nobody is searched for until `person` says who is meant.
    """
    here.access.count_search(current())
    data = await _body(request)
    return await run_in_threadpool(_search, here, data, person, whole)


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"a picture of at most {MAX_BYTES // 2**20} MiB is taken")
    return bytes(data)


def _search(here: Viewer, data: bytes, person: int | None, whole: bool) -> models.PictureSearch:
    try:
        picture = read_picture(data)
    except PictureError as error:
        raise HTTPException(415, str(error)) from None
    found = _everything(picture) if whole else here.finder.persons(picture)
    if person is not None and person >= len(found):
        raise HTTPException(404, f"person: there are {len(found)} persons on this picture")
    chosen = 0 if person is None and len(found) == 1 else person
    embedding = None
    if chosen is not None:
        fingerprint = here.records.details.fingerprint()
        embedding = here.finder.embed(_cut(picture, found.boxes[chosen]), fingerprint)
    return _answer(here, picture, found, chosen, embedding)


def _answer(
    here: Viewer,
    picture: Image,
    found: Detections,
    chosen: int | None,
    embedding: FloatArray | None,
) -> models.PictureSearch:
    threshold = here.finder.threshold()
    matches = [] if embedding is None else _matches(here, embedding, threshold)
    boxes = [tuple(box) for box in found.boxes.astype(float).round(1).tolist()]
    return models.PictureSearch(
        width=picture.shape[1],
        height=picture.shape[0],
        persons=[
            models.Person(box=box, confidence=round(float(confidence), 3))
            for box, confidence in zip(boxes, found.confidences, strict=True)
        ],
        chosen=chosen,
        threshold=threshold,
        matches=matches,
        message=_message(len(found), chosen, matches, threshold),
    )


def _matches(
    here: Viewer, embedding: FloatArray, threshold: float | None
) -> list[models.PictureMatch]:
    view = here.records.view()
    matches = here.records.prototypes.search(embedding, view, _SHOWN)
    look(here, Look.PICTURE, [match.identity for match in matches])
    rows = np.searchsorted(view.people.identity, [match.identity for match in matches])
    people = summaries(view, here.records.details, rows.tolist())
    return [
        models.PictureMatch(
            identity=person,
            similarity=round(match.similarity, 4),
            alike=None if threshold is None else match.similarity >= threshold,
        )
        for match, person in zip(matches, people, strict=True)
    ]


def _message(
    persons: int,
    chosen: int | None,
    matches: list[models.PictureMatch],
    threshold: float | None,
) -> str:
    if not persons:
        return "The detector finds no person on this picture."
    if chosen is None:
        return f"There are {persons} persons on this picture. Who is meant?"
    if not matches:
        return "Nobody is known yet who could be compared."
    if threshold is None:
        return "For this encoder no threshold is known: judge by the pictures."
    if not matches[0].alike:
        return "Nobody is alike enough: this person was probably not seen."
    count = sum(bool(match.alike) for match in matches)
    return f"{count} {'identity is' if count == 1 else 'identities are'} alike enough."


def _everything(picture: Image) -> Detections:
    height, width = picture.shape[:2]
    return Detections(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32))


def _cut(picture: Image, box: FloatArray) -> Image:
    height, width = picture.shape[:2]
    x1, y1 = np.floor(np.clip(box[:2], 0, (width - 1, height - 1))).astype(int)
    x2, y2 = np.ceil(np.clip(box[2:], (x1 + 1, y1 + 1), (width, height))).astype(int)
    return picture[y1:y2, x1:x2]
