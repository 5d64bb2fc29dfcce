"""What people say of identities; the matcher carries it out and answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import redis
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.author import logged_in
from pipeline.bus import Keys, NoAnswerError, ask, connect
from pipeline.config import redact
from pipeline.errors import CamtrailError, ContradictionError
from pipeline.viewer import models
from pipeline.viewer.access.asker import current
from pipeline.viewer.access.gate import needs
from pipeline.viewer.access.roles import Role
from pipeline.viewer.api import LARGEST, PREFIX, Here, Limit, Number
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
    """Another identity that is the same person; `force`: though they were in two places at once."""

    other: Annotated[int, Field(ge=1, le=2**31)]
    force: bool = False


class Separation(_Body):
    """Tracklets that show somebody else."""

    tracklets: Annotated[Chosen, Field(min_length=1)]


class Name(_Body):
    """How to call somebody; null takes the name away."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | (
        None
    )


class StaffMark(_Body):
    """Whether somebody belongs to the house."""

    staff: bool


class Watch(_Body):
    """Why somebody is watched for, perhaps empty; null: no more."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] | None


class Corrected(BaseModel):
    """Who is meant from now on: after a merge the older number, after a split the new one.
    ``correction`` is the number by which it can be taken back.
    """

    identity: int
    correction: int


REFUSALS: dict[int | str, dict[str, Any]] = {
    409: {"model": models.Refusal, "description": "The matcher refuses, and says why"},
    503: {"model": models.Problem, "description": "No matcher runs, or it does not answer"},
}
router = APIRouter(prefix=PREFIX, tags=["corrections"], responses=REFUSALS)


@router.post("/identities/{identity}/confirm")
def confirm(here: Here, identity: Number, body: Confirmation) -> Corrected:
    """Somebody looked: these tracklets show one person. Nothing moves them any more."""
    keys = _keys(body.tracklets)
    answer = ask_matcher(here, "confirm", {"identity": identity, "tracklets": keys})
    return _corrected(answer, identity)


@router.post("/identities/{identity}/merge")
def merge(here: Here, identity: Number, body: Merger) -> Corrected:
    """Two identities are one person. Where they were in two places at once, it takes `force`."""
    arguments = {"identities": [identity, body.other], "force": body.force}
    answer = ask_matcher(here, "merge", arguments)
    return _corrected(answer, answer["identity"])


@router.post("/identities/{identity}/split")
def split(here: Here, identity: Number, body: Separation) -> Corrected:
    """Some tracklets show somebody else, who gets a new number."""
    keys = _keys(body.tracklets)
    answer = ask_matcher(here, "split", {"identity": identity, "tracklets": keys})
    return _corrected(answer, answer["new"])


@router.put("/identities/{identity}/name")
def rename(here: Here, identity: Number, body: Name) -> Corrected:
    """Gives somebody a name."""
    answer = ask_matcher(here, "rename", {"identity": identity, "name": body.name})
    return _corrected(answer, identity)


@router.put("/identities/{identity}/staff")
def mark_staff(here: Here, identity: Number, body: StaffMark) -> Corrected:
    """Marks somebody as staff, whom lists can leave out, or takes the mark away."""
    answer = ask_matcher(here, "staff", {"identity": identity, "staff": body.staff})
    return _corrected(answer, identity)


@router.put("/identities/{identity}/watch")
def watch(here: Here, identity: Number, body: Watch) -> Corrected:
    """Puts somebody on the watch list, or takes them off."""
    answer = ask_matcher(here, "watch", {"identity": identity, "reason": body.reason})
    return _corrected(answer, identity)


@router.delete("/identities/{identity}", status_code=204, dependencies=[needs(Role.ADMINISTRATOR)])
def forget(here: Here, identity: Number) -> None:
    """Deletes all that is known of somebody. It cannot be undone."""
    ask_matcher(here, "forget", {"identity": identity})


@router.get("/corrections", responses={503: {"model": models.Problem}})
def list_corrections(
    here: Here,
    limit: Limit = 60,
    after: Annotated[
        int | None, Query(ge=1, le=LARGEST, description="`next` of the page before")
    ] = None,
) -> models.Corrections:
    """What people corrected, the newest first."""
    found = here.records.details.history(limit + 1, after)
    page = found[:limit]
    return models.Corrections(
        corrections=[models.Correction(**asdict(change)) for change in page],
        next=str(page[-1].number) if len(found) > limit else None,
    )


@router.post("/corrections/{correction}/undo")
def undo(
    here: Here,
    correction: Number,
    force: Annotated[bool, Query(description="though one was in two places at once")] = False,
) -> Corrected:
    """Takes a correction back: one's own, or as administrator any. Refused while a later one of
    the same person holds.
    """
    administrator = current().role.may(Role.ADMINISTRATOR)
    arguments = {"correction": correction, "administrator": administrator, "force": force}
    answer = ask_matcher(here, "undo", arguments)
    return _corrected(answer, answer["identity"])


def _corrected(answer: dict[str, Any], identity: int) -> Corrected:
    return Corrected(identity=identity, correction=answer["correction"])


def _keys(texts: list[str]) -> list[list[Any]]:
    parts = [text.split("/") for text in texts]
    return [[camera, run, int(track)] for camera, run, track in parts]


def ask_matcher(here: Viewer, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the matcher answers, as whoever uses the viewer asks it.

    Raises:
        ContradictionError: it would only do it with ``force``.
        HTTPException: it refuses, or does not answer.
    """
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
    except ContradictionError:
        raise
    except CamtrailError as error:
        raise HTTPException(409, redact(str(error))) from None
