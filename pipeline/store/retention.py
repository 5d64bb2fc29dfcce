"""Deleting what is older than it is to be kept, a part at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from pipeline.records import TrackletKey
from pipeline.store.changes import wipe
from pipeline.store.corrections import clear_identity, delete_tracklets
from pipeline.store.schema import crops, events, meta, tracklets

AT_ONCE = 200  # tracklets, or crops, of one transaction: decisions wait for it

_COUNT = "expired"  # in ``meta``: how often something was deleted, for readers


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


def times_expired(connection: Connection) -> int:
    """How often something was deleted since it was too old; it only grows."""
    return int(connection.scalar(select(meta.c.value).where(meta.c.key == _COUNT)) or 0)


def _old_tracklets(before: float) -> Select[Any]:
    t = tracklets.c
    newest = select(events.c.tracklet).order_by(events.c.id.desc()).limit(1).scalar_subquery()
    return (
        select(t.id, t.camera, t.run, t.track, t.identity)
        .where(_closed(), t.end < before, t.id != func.coalesce(newest, -1))
        .order_by(t.end)
        .limit(AT_ONCE)
    )


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
    value = str(times_expired(connection) + 1)
    if value == "1":
        connection.execute(meta.insert().values(key=_COUNT, value=value))
    else:
        connection.execute(update(meta).where(meta.c.key == _COUNT).values(value=value))
