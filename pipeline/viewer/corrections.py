"""What people say of identities; the matcher carries it out and answers."""

from __future__ import annotations

from typing import Annotated, Any

import redis
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.author import logged_in
from pipeline.bus import Keys, NoAnswerError, ask, connect
from pipeline.config import redact
from pipeline.errors import CamtrailError
from pipeline.viewer import models
from pipeline.viewer.api import PREFIX, Here, Number
from pipeline.viewer.state import Viewer

_MAX_TRACKLETS = 10_000

TrackletKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}/[0-9A-Za-z]{1,26}/[0-9]{1,9}$"),
    Field(description="`key` of a visit"),
]
Chosen = Annotated[list[TrackletKey], Field(max_length=_MAX_TRACKLETS)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Confirmation(_Body):
    """Tracklets that show the identity that they have; none: all of them."""

    tracklets: Chosen = []


class Merger(_Body):
    """Another identity that is the same person."""

    other: Annotated[int, Field(ge=1, le=2**31)]


class Separation(_Body):
    """Tracklets that show somebody else."""

    tracklets: Annotated[Chosen, Field(min_length=1)]


class Name(_Body):
    """How to call somebody; null takes the name away."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | (
        None
    )


class Corrected(BaseModel):
    """Who is meant from now on: after a merge the older number, after a split the new one."""

    identity: int


router = APIRouter(
    prefix=f"{PREFIX}/identities",
    tags=["corrections"],
    responses={
        409: {"model": models.Problem, "description": "The matcher refuses, and says why"},
        503: {"model": models.Problem, "description": "No matcher runs, or it does not answer"},
    },
)


@router.post("/{identity}/confirm")
def confirm(here: Here, identity: Number, body: Confirmation) -> Corrected:
    """Somebody looked: these tracklets show one person. Nothing moves them any more."""
    keys = _keys(body.tracklets)
    _ask(here, "confirm", {"identity": identity, "tracklets": keys})
    return Corrected(identity=identity)


@router.post("/{identity}/merge")
def merge(here: Here, identity: Number, body: Merger) -> Corrected:
    """Two identities are one person. Refused where they were in two places at once."""
    answer = _ask(here, "merge", {"identities": [identity, body.other]})
    return Corrected(identity=answer["identity"])


@router.post("/{identity}/split")
def split(here: Here, identity: Number, body: Separation) -> Corrected:
    """Some tracklets show somebody else, who gets a new number."""
    keys = _keys(body.tracklets)
    answer = _ask(here, "split", {"identity": identity, "tracklets": keys})
    return Corrected(identity=answer["new"])


@router.put("/{identity}/name")
def rename(here: Here, identity: Number, body: Name) -> Corrected:
    """Gives somebody a name."""
    _ask(here, "rename", {"identity": identity, "name": body.name})
    return Corrected(identity=identity)


@router.delete("/{identity}", status_code=204)
def forget(here: Here, identity: Number) -> None:
    """Deletes all that is known of somebody. It cannot be undone."""
    _ask(here, "forget", {"identity": identity})


def _keys(texts: list[str]) -> list[list[Any]]:
    parts = [text.split("/") for text in texts]
    return [[camera, run, int(track)] for camera, run, track in parts]


def _ask(here: Viewer, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if not here.health.cameras().matcher:
        raise HTTPException(
            503, f"no matcher runs: start the site, or use `camtrail {kind}` on its machine"
        )
    try:
        with connect(here.site, name="camtrail-viewer") as client:
            return ask(client, Keys(here.site.site), kind, logged_in(), arguments)
    except redis.RedisError as error:
        raise HTTPException(503, f"Redis is away ({type(error).__name__})") from None
    except NoAnswerError as error:
        raise HTTPException(503, redact(str(error))) from None
    except CamtrailError as error:
        raise HTTPException(409, redact(str(error))) from None
