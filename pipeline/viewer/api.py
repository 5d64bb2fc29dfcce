"""The routes under ``/api/v1``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as InPath
from fastapi.responses import Response
from pydantic import AfterValidator

from pipeline.privacy.crops import blurred
from pipeline.viewer import models
from pipeline.viewer.access.asker import current
from pipeline.viewer.access.log import Look
from pipeline.viewer.catalogue import Rows, View
from pipeline.viewer.clear import hidden_from_asker
from pipeline.viewer.details import CropName, Details, TrackletDetail
from pipeline.viewer.listing import CursorError, Marked, Order, Sort, identities, sequels
from pipeline.viewer.state import Viewer, viewer_of

PREFIX = "/api/v1"
MAX_PAGE = 200

_BRIEFLY = "private, max-age=300"  # a picture may be forgotten
LARGEST = 2**63 - 1


def _aware(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


Moment = Annotated[
    datetime | None,
    AfterValidator(lambda value: value and _aware(value)),
    Query(description="seconds since the epoch, or ISO 8601 (UTC where it says nothing else)"),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
Staff = Annotated[bool | None, Query(description="only the staff, or everybody but them")]
Number = Annotated[int, InPath(ge=1, le=LARGEST)]
Here = Annotated[Viewer, Depends(viewer_of)]

router = APIRouter(
    prefix=PREFIX,
    responses={
        404: {"model": models.Problem, "description": "There is no such thing"},
        503: {"model": models.Problem, "description": "The store cannot be read now"},
    },
)


@router.get("/cameras")
def list_cameras(here: Here) -> models.Cameras:
    """The cameras and how they are."""
    return here.health.cameras()


@router.get("/identities")
def list_identities(
    here: Here,
    sort: Sort = Sort.LAST_SEEN,
    order: Order = Order.DESC,
    camera: Annotated[str | None, Query(description="only those seen in it")] = None,
    since: Moment = None,
    until: Moment = None,
    staff: Staff = None,
    watched: Annotated[
        bool | None, Query(description="only those watched for, or only the others")
    ] = None,
    limit: Limit = 60,
    after: After = None,
) -> models.Identities:
    """Who was seen. With a camera and a time: who was seen in that camera at that time."""
    if camera is not None:
        check_camera(here, camera)
    view = here.records.view()
    filtered = camera is not None or since is not None or until is not None
    seen = view.during(camera, _seconds(since), _seconds(until)) if filtered else None
    page = identities(view, sort, order, seen, limit, after, _marked(here, staff, watched))
    return models.Identities(
        identities=summaries(view, here.records.details, page.rows.tolist()),
        total=page.total,
        next=page.next,
        version=view.version,
    )


@router.get("/identities/{identity}")
def get_identity(here: Here, identity: Number) -> models.Identity:
    """One person."""
    view = here.records.view()
    row = _row(here, view, identity)
    look(here, Look.PERSON, [identity])
    return summaries(view, here.records.details, [row])[0]


@router.get("/identities/{identity}/visits")
def list_visits(
    here: Here,
    identity: Number,
    limit: Limit = 100,
    after: Annotated[
        int | None, Query(ge=1, le=LARGEST, description="`next` of the page before")
    ] = None,
) -> models.Visits:
    """Where somebody was, the newest first, with the reason for each."""
    view = here.records.view()
    _row(here, view, identity)
    look(here, Look.PERSON, [identity])
    rows = view.of(identity)
    gaps = _gaps(rows)
    last = len(rows) if after is None else _place(rows, after)
    first = max(0, last - limit)
    chosen = rows[first:last]
    details = here.records.details.tracklets(chosen["tracklet"].tolist())
    visits = [
        _visit(view, row, gap, details[row[0]])
        for row, gap in zip(chosen.tolist(), gaps[first:last], strict=True)
        if row[0] in details
    ]
    return models.Visits(
        visits=visits[::-1], total=len(rows), next=str(rows["tracklet"][first]) if first else None
    )


@router.get("/present")
def list_present(here: Here, staff: Staff = None) -> list[models.PresentPerson]:
    """Who is in view now, the last come first."""
    view, details = here.records.view(), here.records.details
    position = {int(n): i for i, n in enumerate(view.people.identity.tolist())}
    marked = _marked(here, staff, None)
    found = [
        p
        for p in details.present()
        if p.identity in position
        and all((p.identity in mark.identities) == mark.wanted for mark in marked)
    ][:MAX_PAGE]
    people = summaries(view, details, [position[p.identity] for p in found])
    return [
        models.PresentPerson(identity=person, camera=p.camera, since=p.start)
        for p, person in zip(found, people, strict=True)
    ]


@router.get("/sequence")
def list_sequels(
    here: Here,
    first: Annotated[str, Query(description="a camera")],
    then: Annotated[str, Query(description="a camera, perhaps the same")],
    within: Annotated[float, Query(gt=0, le=10**9, description="seconds")] = 600.0,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 60,
    after: After = None,
) -> models.Sequels:
    """Who was seen in one camera and then in another, within some time; the newest first.

    `since` and `until` are about the visit to the second camera.
    """
    check_camera(here, first)
    check_camera(here, then)
    here.access.count_search(current())
    view = here.records.view()
    seen = view.during(then, _seconds(since), _seconds(until))
    found, page = sequels(view, first, then, within, seen, limit, after)
    look(here, Look.SEQUENCE, [sequel.identity for sequel in found])
    position = np.searchsorted(view.people.identity, [sequel.identity for sequel in found])
    people = summaries(view, here.records.details, position.tolist())
    return models.Sequels(
        found=[
            models.Sequel(
                identity=person,
                left=sequel.left,
                came=sequel.came,
                before=sequel.before,
                after=sequel.after,
            )
            for sequel, person in zip(found, people, strict=True)
        ],
        total=page.total,
        next=page.next,
    )


@router.get(
    "/crops/{tracklet}/{seq}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "The picture"}},
)
def get_crop(here: Here, tracklet: Number, seq: Number) -> Response:
    """One picture of a tracklet; people in it are hidden as the site's `privacy` says."""
    path = here.records.details.crop_file(CropName(tracklet, seq))
    if path is None:
        raise HTTPException(404, f"there is no picture {seq} of tracklet {tracklet}")
    privacy, what = here.site.privacy, hidden_from_asker(here, "crops")
    clear = what == "none" and privacy.hidden("crops") != "none"
    look(here, Look.CLEAR if clear else Look.CROPS)
    try:
        data = here.keyring.read(path)
        data = blurred(data, what)
    except (FileNotFoundError, ValueError):  # it went meanwhile, or is damaged
        raise HTTPException(404, f"there is no picture {seq} of tracklet {tracklet}") from None
    # Somebody else may log in to the same browser, who is not to see what this one saw.
    keep = "no-store" if privacy.some_see_clearly else _BRIEFLY
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": keep})


def look(here: Viewer, how: Look, identities: Collection[int] = ()) -> None:
    """Writes down that who asks looks at these people."""
    here.access.log.look(current().name, how, identities)


def summaries(view: View, details: Details, rows: Sequence[int]) -> list[models.Identity]:
    """The people in these rows of ``view.people``."""
    people = view.people
    numbers = people.identity[rows].tolist()
    marks, crops = details.marks(numbers), details.best_crops(numbers)
    return [
        models.Identity(
            identity=number,
            **marks[number]._asdict(),
            first_seen=people.first_seen[row],
            last_seen=people.last_seen[row],
            visits=people.visits[row],
            cameras=view.cameras_of(number),
            crop=crop_url(crops.get(number)),
        )
        for row, number in zip(rows, numbers, strict=True)
    ]


def crop_url(name: CropName | None) -> str | None:
    """Where a picture is read."""
    return f"{PREFIX}/crops/{name.tracklet}/{name.seq}" if name else None


def _marked(here: Viewer, staff: bool | None, watched: bool | None) -> list[Marked]:
    details, marked = here.records.details, []
    if staff is not None:
        marked.append(Marked(details.staff(), staff))
    if watched is not None:
        marked.append(Marked(details.watched(), watched))
    return marked


def _row(here: Viewer, view: View, identity: int) -> int:
    """Of an identity in ``view.people``."""
    row = view.row(identity)
    if row is not None:
        return row
    became = here.records.details.became(identity)
    text = f"there is no identity {identity}"
    if became is not None:
        text += f" any more; it is part of {became} now"
    raise HTTPException(404, text)


def _place(rows: Rows, tracklet: int) -> int:
    found = np.flatnonzero(rows["tracklet"] == tracklet)
    if not len(found):
        raise CursorError(f"after: tracklet {tracklet} is no visit of this identity; leave it out")
    return int(found[0])


def check_camera(here: Viewer, camera: str) -> None:
    """Raises an error that lists the cameras where there is no such one."""
    if camera in here.site.cameras:
        return
    known = dict.fromkeys([*here.site.cameras, *here.records.view().cameras])
    if camera not in known:
        raise HTTPException(404, f"there is no camera '{camera}'; there are: {', '.join(known)}")


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _gaps(rows: Rows) -> list[float | None]:
    """Seconds between the end of all visits before and the start of each."""
    ends = np.maximum.accumulate(rows["end"]) if len(rows) else rows["end"]
    return [None, *(rows["start"][1:] - ends[:-1]).tolist()][: len(rows)]


def _visit(
    view: View, row: tuple[Any, ...], gap: float | None, detail: TrackletDetail
) -> models.Visit:
    tracklet, _, camera, start, end = row
    return models.Visit(
        tracklet=tracklet,
        key=str(detail.key),
        camera=view.cameras[camera],
        start=start,
        end=end,
        gap=gap,
        open=detail.open,
        embedded=detail.crops,
        crop=crop_url(detail.best),
        crops=[
            models.Crop(url=crop_url(p.name) or "", time=p.time, quality=p.quality)
            for p in detail.pictures
        ],
        decisions=[
            models.Decision(
                time=d.time,
                decision=d.decision,
                identity=d.identity,
                former=d.former,
                similarity=d.similarity,
                runner_up=d.runner_up,
                rule=d.rule,
                terms=dict(d.terms),
                confidence=d.confidence,
            )
            for d in detail.decisions
        ],
        confirmed_by=detail.confirmed_by,
    )
