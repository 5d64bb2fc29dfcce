"""Deleting what is older than it is to be kept, a part at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from pipeline.records import TrackletKey
from pipeline.store.changes import wipe
from pipeline.store.corrections import (
    FORGETS_DELETED,
    add_to_count,
    clear_identity,
    count_of,
    delete_tracklets,
)
from pipeline.store.rows import Saying
from pipeline.store.schema import audit, changes, corrections, crops, events, tracklets

UNNAMED = "somebody"  # who said what is older than the audit is kept
AT_ONCE = 200  # tracklets, or crops, of one transaction: decisions wait for it

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_COUNT = "expired"  # in ``meta``: how often something was deleted, for readers


class Due(NamedTuple):
    """What is too old."""

    tracklets: int
    crops: int


@dataclass(frozen=True, slots=True)
class Expired:
    """What one transaction deleted.

    Attributes:
        keys: tracklets of which nothing is left.
        identities: whose tracklets they were.
        crops: how many pictures were deleted.
        more: whether there may be more that is due.
    """

    keys: Sequence[TrackletKey]
    identities: Sequence[int]
    crops: int
    more: bool

    def __bool__(self) -> bool:
        return bool(self.keys or self.crops)


def expire(
    connection: Connection, tracklets_before: float | None, crops_before: float | None
) -> tuple[Expired, list[str]]:
    """Deletes some of the tracklets that ended before one time, or else of the crops that were
    taken before another; None keeps them. Also gives the files of crops that are to be deleted.

    What the matcher still works on stays, and so does the tracklet of the newest decision: no
    number of a decision is given twice.
    """
    if tracklets_before is not None:
        found = connection.execute(_old_tracklets(tracklets_before)).all()
        if found:
            files = delete_tracklets(connection, [row.id for row in found])
            people = sorted({row.identity for row in found if row.identity is not None})
            _clear(connection, people)
            _count(connection)
            keys = [TrackletKey(row.camera, row.run, row.track) for row in found]
            return Expired(keys, people, len(files), len(found) == AT_ONCE), files
    if crops_before is not None and (files := _expire_crops(connection, crops_before)):
        _count(connection)
        return Expired((), (), len(files), len(files) == AT_ONCE), files
    return Expired((), (), 0, False), []


def expire_audit(connection: Connection, before: float) -> int:
    """Deletes who did what before a time; how many lines. What was said holds on, said by somebody,
    and cannot be taken back any more.
    """
    old = audit.c.time < before
    forgets = (
        select(func.count()).select_from(audit).where(old, audit.c.action == Saying.FORGET.value)
    )
    add_to_count(connection, FORGETS_DELETED, connection.scalar(forgets) or 0)
    done = connection.execute(delete(audit).where(old)).rowcount
    for table in (changes, corrections):
        nameless = {"author": UNNAMED} | ({"before": None} if table is changes else {})
        was = table.c.author != UNNAMED
        connection.execute(update(table).where(table.c.time < before, was).values(nameless))
    return done


def strays(connection: Connection, folder: Path, before: float) -> list[Path]:
    """Files of crops that the store does not know, below the folders of days that ended before a
    time: what a matcher left that died between writing and committing.
    """
    last = datetime.fromtimestamp(before, UTC).date().isoformat()
    days = [day for day in _folders(folder) if _DAY.fullmatch(day.name) and day.name < last]
    found = []
    for file in (file for day in days for camera in _folders(day) for file in camera.iterdir()):
        name = file.relative_to(folder).as_posix()
        known = select(crops.c.tracklet).where(crops.c.file == name).limit(1)
        if file.stat().st_mtime < before and connection.execute(known).first() is None:
            found.append(file)
    return found


def due(connection: Connection, tracklets_before: float | None, crops_before: float | None) -> Due:
    """How much `expire` would delete in all its parts."""
    t, c = tracklets.c, crops.c
    joined = select(func.count()).select_from(crops.join(tracklets, t.id == c.tracklet))
    many, pictures = 0, [0]
    if tracklets_before is not None:
        old = _old(tracklets_before)
        many = connection.scalar(select(func.count()).select_from(tracklets).where(*old)) or 0
        pictures.append(connection.scalar(joined.where(*old)) or 0)
    if crops_before is not None:
        alone = joined.where(c.time < crops_before, _closed())
        pictures.append(connection.scalar(alone) or 0)
    return Due(many, max(pictures))


def times_expired(connection: Connection) -> int:
    """How often something was deleted since it was too old; it only grows."""
    return count_of(connection, _COUNT)


def _old_tracklets(before: float) -> Select[Any]:
    t = tracklets.c
    return (
        select(t.id, t.camera, t.run, t.track, t.identity)
        .where(*_old(before))
        .order_by(t.end)
        .limit(AT_ONCE)
    )


def _old(before: float) -> tuple[ColumnElement[bool], ...]:
    newest = select(events.c.tracklet).order_by(events.c.id.desc()).limit(1).scalar_subquery()
    return _closed(), tracklets.c.end < before, tracklets.c.id != func.coalesce(newest, -1)


def _closed() -> ColumnElement[bool]:
    return ~tracklets.c.open


def _clear(connection: Connection, people: Sequence[int]) -> None:
    """Nothing of them can be taken back any more; of whom nothing is left, no name is either."""
    t = tracklets.c
    left = set(connection.scalars(select(t.identity).where(t.identity.in_(people)).distinct()))
    for identity in people:
        wipe(connection, identity)
        if identity not in left:
            clear_identity(connection, identity)


def _expire_crops(connection: Connection, before: float) -> list[str]:
    c, t = crops.c, tracklets.c
    old = (
        select(c.tracklet, c.seq, c.file)
        .join(tracklets, t.id == c.tracklet)
        .where(c.time < before, _closed())
        .limit(AT_ONCE)
    )
    found = connection.execute(old).all()
    for row in found:
        connection.execute(delete(crops).where(c.tracklet == row.tracklet, c.seq == row.seq))
    files = [row.file for row in found]
    if files:
        connection.execute(update(tracklets).where(t.crop.in_(files)).values(crop=None))
    return files


def _count(connection: Connection) -> None:
    add_to_count(connection, _COUNT, 1)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
