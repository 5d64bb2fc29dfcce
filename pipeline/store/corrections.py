"""What people say: identities put together, taken apart, confirmed, named, marked and forgotten,
and what they take back of that.

Each is one transaction with its line in the log and in the audit. Only the matcher, or who holds
its lock, may call these: it has to change what it remembers in the same step.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey
from pipeline.store import links
from pipeline.store.changes import Said, record, to_undo, wipe
from pipeline.store.rows import Change, Correction, Saying
from pipeline.store.schema import (
    audit,
    corrections,
    crops,
    embeddings,
    events,
    forgotten,
    identities,
    meta,
    tracklets,
    updates,
)
from pipeline.store.whose import (
    NOBODY,
    assign,
    decisions_on,
    in_parts,
    join_marks,
    marks_of,
    numbers_of,
    prototypes_of,
    restore,
    set_marks,
    visits,
)

MAX_NAME = 200
MAX_REASON = 500
FORGETS_DELETED = "forgets_deleted"  # in ``meta``: of the audit's lines that are too old


def merge(connection: Connection, survivor: int, other: int, said: Said) -> int:
    """All tracklets of ``other`` get the identity ``survivor``, which a person says they are;
    gives the number of the change, as the following do.
    """
    moved, stayed = visits(connection, other), visits(connection, survivor)
    marks = marks_of(connection, [survivor, other], ("name", "staff", "watched"))
    everybody = [*moved, *stayed]
    change = record(
        connection,
        said,
        Saying.MERGE,
        survivor,
        other,
        tracklets=len(everybody),
        before={
            "identities": marks,
            "tracklets": decisions_on(connection, list(moved)),
            "prototypes": prototypes_of(connection, [survivor, other]),
        },
    )
    assign(connection, list(moved), survivor, other, said, {"rule": f"merged by {said.author}"})
    _say(connection, everybody, survivor, Correction.MERGE, said, change)
    join_marks(connection, survivor, marks[survivor], marks[other])
    set_marks(connection, other, **NOBODY)
    return change


def split(
    connection: Connection, identity: int, new: int, keys: Collection[TrackletKey], said: Said
) -> int:
    """The tracklets ``keys`` of an identity get a new one; a person says who is who.

    Raises:
        CamtrailError: one is not of this identity, or none would be left.
    """
    own = visits(connection, identity)
    moved = numbers_of(own, keys)
    rest = [number for number in own if number not in set(moved)]
    if not moved or not rest:
        raise CamtrailError(
            f"identity {identity} has {len(own)} tracklets; choose some of them, not "
            f"{'all' if moved else 'none'}"
        )
    row = {"id": new, "created_at": said.now, "in_gallery": True}
    connection.execute(insert(identities), row)
    change = record(
        connection,
        said,
        Saying.SPLIT,
        identity,
        new,
        tracklets=len(own),
        before={"tracklets": decisions_on(connection, moved)},
    )
    assign(connection, moved, new, identity, said, {"rule": f"split by {said.author}"})
    _say(connection, moved, new, Correction.SPLIT, said, change)
    _say(connection, rest, identity, Correction.SPLIT, said, change)
    set_marks(connection, identity, in_gallery=True)
    return change


def confirm(
    connection: Connection, identity: int, keys: Collection[TrackletKey], said: Said
) -> tuple[int, list[TrackletKey]]:
    """A person says that tracklets show the identity that they have; also gives their keys.

    What counts is who they are now: tracklets that the identity gets later are not confirmed by it.

    Args:
        keys: of some of its tracklets; none: of all.

    Raises:
        CamtrailError: there is no such identity, or a tracklet is not one of its.
    """
    own = visits(connection, identity)
    chosen = numbers_of(own, keys or [visit.key for visit in own.values()])
    change = record(connection, said, Saying.CONFIRM, identity, tracklets=len(chosen), before={})
    _say(connection, chosen, identity, Correction.CONFIRM, said, change)
    return change, [own[number].key for number in chosen]


def rename(connection: Connection, identity: int, name: str | None, said: Said) -> int:
    """Gives an identity a name, or takes it."""
    if name is not None and not (0 < len(name.strip()) <= MAX_NAME and storable(name)):
        raise CamtrailError(f"a name has 1 to {MAX_NAME} characters")
    return _mark(connection, Saying.RENAME, identity, said, name=name and name.strip())


def mark_staff(connection: Connection, identity: int, staff: bool, said: Said) -> int:
    """Says that an identity belongs to the house, or does not."""
    return _mark(connection, Saying.STAFF, identity, said, staff=staff)


def watch(connection: Connection, identity: int, reason: str | None, said: Said) -> int:
    """Puts an identity on the watch list, perhaps with a reason (''), or takes it off (None)."""
    if reason is not None and not (len(reason.strip()) <= MAX_REASON and storable(reason)):
        raise CamtrailError(f"a reason has at most {MAX_REASON} characters")
    return _mark(
        connection, Saying.WATCH, identity, said, watched=None if reason is None else reason.strip()
    )


def skip(connection: Connection, key: TrackletKey) -> None:
    """A person cannot say of a tracklet who it is: it is asked for no more.

    Raises:
        CamtrailError: there is no such tracklet.
    """
    same = (tracklets.c[name] == value for name, value in key._asdict().items())
    done = connection.execute(update(tracklets).where(*same).values(doubt=None))
    if not done.rowcount:
        raise CamtrailError(f"there is no tracklet {key}")


def undo(connection: Connection, number: int, said: Said, *, administrator: bool) -> int:
    """Takes a change back; gives the number of doing so.

    See `pipeline.store.changes.to_undo` for the arguments and what is refused. Of an identity that
    was split off, also what the matcher gave it since goes back.
    """
    change, before = to_undo(connection, number, said.author, administrator=administrator)
    rule = {"rule": f"taken back by {said.author}"}
    connection.execute(delete(corrections).where(corrections.c.change == change.number))
    if change.kind in (Saying.SAME, Saying.DIFFERENT):
        links.take_back(connection, change, before, said, rule)
        return _taken_back(connection, change, said)
    restore(connection, before.get("tracklets", []), said, rule)
    for identity, marks in before.get("identities", {}).items():
        set_marks(connection, int(identity), **marks)
    if change.kind is Saying.MERGE:
        assert change.other is not None
        for identity in (change.identity, change.other):
            set_marks(connection, identity, in_gallery=True)
        for part in in_parts(before["prototypes"]):
            connection.execute(
                update(tracklets).where(tracklets.c.id.in_(part)).values(prototype=True)
            )
    if change.kind is Saying.SPLIT:
        assert change.other is not None
        left = select(tracklets.c.id).where(tracklets.c.identity == change.other)
        assign(
            connection,
            connection.scalars(left).all(),
            change.identity,
            change.other,
            said,
            rule,
        )
        set_marks(connection, change.identity, in_gallery=True)
        set_marks(connection, change.other, **NOBODY)
    return _taken_back(connection, change, said)


def forget(
    connection: Connection, identity: int, said: Said
) -> tuple[list[TrackletKey], list[str]]:
    """Deletes all that is known of an identity but its number.

    Returns:
        The keys of its tracklets, and the files of their crops, which are still to be deleted.
    """
    own = visits(connection, identity)
    files = delete_tracklets(connection, list(own))
    rows = [visit.key._asdict() for visit in own.values()]
    connection.execute(insert(forgotten), rows)
    clear_identity(connection, identity)
    wipe(connection, identity)
    record(connection, said, Saying.FORGET, identity, tracklets=len(own))
    return [visit.key for visit in own.values()], files


def delete_tracklets(connection: Connection, numbers: Sequence[int]) -> list[str]:
    """Deletes all that is stored of tracklets; gives the files of their crops, which are still to
    be deleted.
    """
    files: list[str] = []
    for part in in_parts(numbers):
        files += connection.scalars(select(crops.c.file).where(crops.c.tracklet.in_(part))).all()
        links.forget_links(connection, part)
        for table in (crops, embeddings, corrections, events, updates):
            connection.execute(delete(table).where(table.c.tracklet.in_(part)))
        connection.execute(delete(tracklets).where(tracklets.c.id.in_(part)))
    return files


def clear_identity(connection: Connection, identity: int) -> None:
    """An identity is nobody any more; its number is not given again."""
    set_marks(connection, identity, **NOBODY)


def storable(text: str) -> bool:
    """Whether every database takes it: Unicode without the character 0."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def times_forgotten(connection: Connection) -> int:
    """How often somebody was forgotten: when it grows, numbers of rows may mean others."""
    query = select(func.count()).select_from(audit).where(audit.c.action == Saying.FORGET.value)
    return (connection.scalar(query) or 0) + count_of(connection, FORGETS_DELETED)


def count_of(connection: Connection, key: str) -> int:
    """A number that is kept in ``meta``; it only grows."""
    return int(connection.scalar(select(meta.c.value).where(meta.c.key == key)) or 0)


def add_to_count(connection: Connection, key: str, more: int) -> None:
    """Adds to such a number."""
    value = {"value": str(count_of(connection, key) + more)}
    if not connection.execute(update(meta).where(meta.c.key == key).values(value)).rowcount:
        connection.execute(insert(meta).values(key=key, **value))


def _taken_back(connection: Connection, change: Change, said: Said) -> int:
    return record(
        connection,
        said,
        Saying.UNDO,
        change.identity,
        change.other,
        tracklets=change.tracklets,
        undoes=change.number,
    )


def _mark(
    connection: Connection, kind: Saying, identity: int, said: Said, **marks: str | bool | None
) -> int:
    own = visits(connection, identity)
    former = marks_of(connection, [identity], marks)
    change = record(
        connection, said, kind, identity, tracklets=len(own), before={"identities": former}
    )
    set_marks(connection, identity, **marks)
    return change


def _say(
    connection: Connection,
    numbers: Sequence[int],
    identity: int,
    kind: Correction,
    said: Said,
    change: int,
) -> None:
    row = {"time": said.time, "author": said.author, "kind": kind.value}
    row |= {"identity": identity, "change": change}
    connection.execute(insert(corrections), [row | {"tracklet": number} for number in numbers])
