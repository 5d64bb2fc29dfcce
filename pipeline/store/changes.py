"""The log of what people said: each thing as a whole, and what taking it back needs.

Corrections of one identity are taken back in the reverse order in which they were made, so what an
undo has to restore is what the change itself replaced, apart from what the matcher did since.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, or_, select, update

from pipeline.errors import CamtrailError
from pipeline.store.rows import Change, Saying
from pipeline.store.schema import audit, changes, links

_UNDONE = changes.alias("undone_by")
_JOINING = (Saying.MERGE.value, Saying.SAME.value)  # may have put two identities together


@dataclass(frozen=True, slots=True)
class Said:
    """Who says something, when by the clock, and up to which event time was decided then.
    ``against`` is what speaks against it, of which the person was told.
    """

    author: str
    time: float
    now: float
    against: str = ""


def record(
    connection: Connection,
    said: Said,
    kind: Saying,
    identity: int,
    other: int | None = None,
    *,
    tracklets: int = 0,
    before: Mapping[str, Any] | None = None,
    undoes: int | None = None,
) -> int:
    """Writes a change and its line in the audit; gives its number.

    Args:
        tracklets: how many it says something of.
        before: what taking it back needs; None where that cannot be.
    """
    what = {"identity": identity, "other": other, "undoes": undoes, "tracklets": tracklets}
    row = {"time": said.time, "author": said.author, "kind": kind.value}
    text = None if before is None else json.dumps(before)
    done = connection.execute(insert(changes).values(**row, **what, before=text))
    people = {"identity": identity} if other is None else {"identities": [identity, other]}
    undone = {} if undoes is None else {"undoes": undoes}
    against = {"against": said.against} if said.against else {}
    write_audit(connection, said, kind.value, people | undone | {"tracklets": tracklets} | against)
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


def write_audit(connection: Connection, said: Said, action: str, detail: dict[str, Any]) -> None:
    """One line of who did what."""
    row = {"time": said.time, "author": said.author, "action": action}
    connection.execute(insert(audit), row | {"detail": json.dumps(detail)})


def history(connection: Connection, limit: int, before: int | None = None) -> list[Change]:
    """The newest changes first, and before the one of this number."""
    query = _with_undoing().order_by(changes.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(changes.c.id < before)
    return [_change(row) for row in connection.execute(query)]


def to_undo(
    connection: Connection, number: int | None, author: str, *, administrator: bool
) -> tuple[Change, dict[str, Any]]:
    """The change that is to be taken back, and what that needs.

    Args:
        number: of the change; None: the last of this author that was not taken back.
        administrator: may take back what others said.

    Raises:
        CamtrailError: there is no such change, or it cannot be taken back (any more).
    """
    query = _with_undoing().add_columns(changes.c.before)
    if number is None:
        own = query.where(
            changes.c.author == author, changes.c.before.is_not(None), _UNDONE.c.id.is_(None)
        )
        row = connection.execute(own.order_by(changes.c.id.desc()).limit(1)).one_or_none()
        if row is None:
            raise CamtrailError(f"there is nothing of {author} to take back")
    else:
        row = connection.execute(query.where(changes.c.id == number)).one_or_none()
        if row is None:
            raise CamtrailError(f"there is no correction {number}; see `camtrail corrections`")
    change = _change(row)
    if change.undone_by is not None:
        raise CamtrailError(f"{_name(change)} was taken back already, by {change.undone_by}")
    if change.author != author and not administrator:
        raise CamtrailError(
            f"{_name(change)} is by {change.author}: they or an administrator may take it back"
        )
    if row.before is None:
        raise CamtrailError(f"{_name(change)} cannot be taken back: {_why_not(change)}")
    later = _later(connection, change)
    if later is not None:
        raise CamtrailError(
            f"{_name(change)} cannot be taken back before {_name(later)} by {later.author}, which "
            "is about the same person"
        )
    return change, json.loads(row.before)


def wipe(connection: Connection, identity: int) -> None:
    """Deletes from the log what an identity was like, and whoever was merged into it."""
    same, found = {identity}, {identity}
    while found:
        merged = _with_undoing().where(
            changes.c.kind.in_(_JOINING),
            changes.c.identity.in_(found),
            _UNDONE.c.id.is_(None),
        )
        found = {row.other for row in connection.execute(merged) if row.other} - same
        same |= found
    connection.execute(update(changes).where(_about(same)).values(before=None))


def became(connection: Connection, identity: int) -> Change | None:
    """The merge by which an identity became part of another, if that still holds."""
    merged = _with_undoing().where(
        changes.c.kind.in_(_JOINING), changes.c.other == identity, _UNDONE.c.id.is_(None)
    )
    row = connection.execute(merged.order_by(changes.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _change(row)


def said_the_same() -> Select[tuple[int]]:
    """The tracklets of which a person said that they show somebody whom another one shows."""
    ends = (select(c).where(links.c.same) for c in (links.c.tracklet, links.c.other))
    first, second = ends
    return select(first.union(second).subquery().c[0])


def _with_undoing() -> Select[Any]:
    """Changes, each with the one that took it back."""
    c = changes.c
    columns = (c.id, c.time, c.author, c.kind, c.identity, c.other, c.tracklets, c.undoes)
    return select(
        *columns,
        c.before.is_not(None).label("has_before"),
        _UNDONE.c.id.label("undone_by"),
    ).outerjoin(_UNDONE, _UNDONE.c.undoes == c.id)


def _later(connection: Connection, change: Change) -> Change | None:
    """The next change that holds and is about the same people."""
    people = {change.identity, change.other or change.identity}
    query = (
        _with_undoing()
        .where(
            changes.c.id > change.number,
            changes.c.kind != Saying.UNDO.value,
            _UNDONE.c.id.is_(None),
            _about(people),
        )
        .order_by(changes.c.id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _change(row)


def _about(people: Collection[int]) -> ColumnElement[bool]:
    return or_(changes.c.identity.in_(people), changes.c.other.in_(people))


def _name(change: Change) -> str:
    return f"correction {change.number} ({change.kind.value} of {change.identity})"


def _why_not(change: Change) -> str:
    if change.kind is Saying.UNDO:
        return "say again what it took back"
    if change.kind is Saying.FORGET:
        return "what was forgotten is gone for good"
    return "somebody whom it is about was forgotten"


def _change(row: Row[Any]) -> Change:
    return Change(
        number=row.id,
        time=row.time,
        author=row.author,
        kind=Saying(row.kind),
        identity=row.identity,
        other=row.other,
        tracklets=row.tracklets,
        undoes=row.undoes,
        undone_by=row.undone_by,
        undoable=row.has_before and row.undone_by is None,
    )
