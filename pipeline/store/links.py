"""Answers about two tracklets: they show one person, or two.

Unlike what is said of whole identities, an answer pins nothing but the pair: the matcher may move
the two, as long as it moves them together, or keeps them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey
from pipeline.store.changes import Said, record
from pipeline.store.rows import Change, Link, Move, Saying
from pipeline.store.schema import identities, links, tracklets
from pipeline.store.whose import (
    NOBODY,
    assign,
    decisions_on,
    in_parts,
    join_marks,
    marks_of,
    prototypes_of,
    restore,
    set_marks,
)

_MARKS = ("name", "staff", "watched")


def answer(
    connection: Connection,
    one: TrackletKey,
    other: TrackletKey,
    move: Move | None,
    said: Said,
    *,
    same: bool,
) -> int:
    """A person says of two tracklets that they show one person, or two; gives the number of the
    change.

    Args:
        move: what has to change so that it is so.

    Raises:
        CamtrailError: one of them is not there, or nothing was decided on it.
    """
    first, second = _row(connection, one), _row(connection, other)
    kind = Saying.SAME if same else Saying.DIFFERENT
    people: tuple[int, int | None] = second.identity, None
    if move is not None:
        people = (move.identity, move.former) if same else (move.former, move.identity)
        _make(connection, move.identity, said)
    before = {} if move is None else _before(connection, move)
    change = record(connection, said, kind, *people, tracklets=2, before=before)
    row = {"change": change, "tracklet": first.id, "other": second.id, "same": same}
    connection.execute(insert(links), row)
    if move is not None:
        _carry_out(connection, move, said)
    return change


def take_back(
    connection: Connection, change: Change, before: dict[str, Any], said: Said, rule: dict[str, str]
) -> None:
    """Nobody said so. What it moved goes back, but for what the matcher has moved since."""
    connection.execute(delete(links).where(links.c.change == change.number))
    if not before:
        return
    t = tracklets.c
    given, former = before["given"], before["former"]
    still = set(connection.scalars(select(t.id).where(t.identity == given)))
    back = [row for row in before["tracklets"] if row["id"] in still]
    restore(connection, back, said, rule)
    for identity, marks in before["identities"].items():
        set_marks(connection, int(identity), **marks)
    for part in in_parts(before["prototypes"]):
        own = t.id.in_(part) & t.identity.in_((given, former))
        connection.execute(update(tracklets).where(own).values(prototype=True))
    for identity in (given, former):
        _settle(connection, identity)


def owner(connection: Connection, key: TrackletKey) -> int:
    """The identity that a tracklet has.

    Raises:
        CamtrailError: it is not there, or nothing was decided on it.
    """
    return int(_row(connection, key).identity)


def all_links(connection: Connection) -> tuple[list[Link], dict[TrackletKey, int]]:
    """All that holds, in order; and the identities of the tracklets that it is about."""
    one, other = tracklets.alias("one"), tracklets.alias("two")
    query = (
        select(links.c.change, links.c.same, *_of(one), *_of(other))
        .join(one, one.c.id == links.c.tracklet)
        .join(other, other.c.id == links.c.other)
        .order_by(links.c.id)
    )
    found: list[Link] = []
    whose: dict[TrackletKey, int] = {}
    for row in connection.execute(query):
        pair = TrackletKey(*row[2:5]), TrackletKey(*row[6:9])
        found.append(Link(row.change, *pair, same=row.same))
        whose |= {k: i for k, i in zip(pair, (row[5], row[9]), strict=True) if i is not None}
    return found, whose


def forget_links(connection: Connection, numbers: Sequence[int]) -> None:
    """Of tracklets that are deleted."""
    either = or_(links.c.tracklet.in_(numbers), links.c.other.in_(numbers))
    connection.execute(delete(links).where(either))


def _make(connection: Connection, identity: int, said: Said) -> None:
    """An identity, if it is not there yet."""
    if not marks_of(connection, [identity], ()):
        row = {"id": identity, "created_at": said.now, "in_gallery": True}
        connection.execute(insert(identities), row)


def _before(connection: Connection, move: Move) -> dict[str, Any]:
    people = [move.former, move.identity]
    moved = [_row(connection, key).id for key in move.keys]
    return {
        "given": move.identity,
        "former": move.former,
        "identities": marks_of(connection, people, _MARKS),
        "tracklets": decisions_on(connection, moved),
        "prototypes": prototypes_of(connection, people),
    }


def _carry_out(connection: Connection, move: Move, said: Said) -> None:
    known = marks_of(connection, [move.former, move.identity], _MARKS)
    moved = [_row(connection, key).id for key in move.keys]
    rule = {"rule": f"answered by {said.author}"}
    assign(connection, moved, move.identity, move.former, said, rule)
    if not _settle(connection, move.former):
        join_marks(connection, move.identity, known[move.identity], known[move.former])
    _settle(connection, move.identity)


def _settle(connection: Connection, identity: int) -> bool:
    """An identity is in the gallery while it has tracklets, and nobody once it has none."""
    there = select(tracklets.c.id).where(tracklets.c.identity == identity).limit(1)
    has = connection.scalar(there) is not None
    set_marks(connection, identity, **({"in_gallery": True} if has else NOBODY))
    return has


def _row(connection: Connection, key: TrackletKey) -> Any:
    t = tracklets.c
    query = select(t.id, t.identity).where(
        t.camera == key.camera, t.run == key.run, t.track == key.track
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.identity is None:
        raise CamtrailError(f"there is no tracklet {key} on which anything was decided")
    return row


def _of(table: Any) -> tuple[Any, ...]:
    return tuple(table.c[name] for name in ("camera", "run", "track", "identity"))
