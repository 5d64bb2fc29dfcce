"""What people say: identities put together, taken apart, confirmed, named, marked and forgotten,
and what they take back of that.

Each is one transaction with its line in the log and in the audit. Only the matcher, or who holds
its lock, may call these: it has to change what it remembers in the same step.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.errors import CamtrailError
from pipeline.records import Decision, TrackletKey
from pipeline.store.changes import Said, became, record, to_undo, wipe
from pipeline.store.reader import known_numbers
from pipeline.store.rows import Correction, Saying, StoredVisit
from pipeline.store.schema import (
    audit,
    corrections,
    crops,
    embeddings,
    events,
    forgotten,
    identities,
    tracklets,
    updates,
)

MAX_NAME = 200
MAX_REASON = 500
_AT_ONCE = 500  # rows of one statement
_DECIDED = ("identity", "decision", "similarity", "runner_up", "decided_at", "rival", "doubt")
_NOBODY: dict[str, Any] = {"name": None, "staff": False, "watched": None, "in_gallery": False}


def visits(connection: Connection, identity: int) -> dict[int, StoredVisit]:
    """All tracklets of an identity, by their number.

    Raises:
        CamtrailError: it has none.
    """
    t = tracklets.c
    query = select(t.id, t.camera, t.run, t.track, t.start, t.end).where(t.identity == identity)
    found = {
        row.id: StoredVisit(
            TrackletKey(row.camera, row.run, row.track), identity, row.start, row.end
        )
        for row in connection.execute(query.order_by(t.start, t.id))
    }
    if not found:
        merge = became(connection, identity)
        if merge is not None:
            raise CamtrailError(
                f"identity {identity} is part of {merge.identity} now: {merge.author} merged them"
            )
        raise CamtrailError(f"there is no identity {identity}; {known_numbers(connection)}")
    return found


def merge(connection: Connection, survivor: int, other: int, said: Said) -> int:
    """All tracklets of ``other`` get the identity ``survivor``, which a person says they are;
    gives the number of the change, as the following do.
    """
    moved, stayed = visits(connection, other), visits(connection, survivor)
    marks = _identities(connection, [survivor, other], ("name", "staff", "watched"))
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
            "tracklets": _decided(connection, list(moved)),
            "prototypes": _prototypes(connection, [survivor, other]),
        },
    )
    _assign(connection, list(moved), survivor, other, said, {"rule": f"merged by {said.author}"})
    _say(connection, everybody, survivor, Correction.MERGE, said, change)
    ours, theirs = marks[survivor], marks[other]
    watched = theirs["watched"] if ours["watched"] is None else ours["watched"]
    _set(
        connection,
        survivor,
        name=ours["name"] or theirs["name"],
        staff=ours["staff"] or theirs["staff"],
        watched=watched,
        in_gallery=True,
    )
    _set(connection, other, **_NOBODY)
    return change


def split(
    connection: Connection, identity: int, new: int, keys: Collection[TrackletKey], said: Said
) -> int:
    """The tracklets ``keys`` of an identity get a new one; a person says who is who.

    Raises:
        CamtrailError: one is not of this identity, or none would be left.
    """
    own = visits(connection, identity)
    moved = _chosen(own, keys)
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
        before={"tracklets": _decided(connection, moved)},
    )
    _assign(connection, moved, new, identity, said, {"rule": f"split by {said.author}"})
    _say(connection, moved, new, Correction.SPLIT, said, change)
    _say(connection, rest, identity, Correction.SPLIT, said, change)
    _set(connection, identity, in_gallery=True)
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
    chosen = _chosen(own, keys or [visit.key for visit in own.values()])
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
    _restore(connection, before.get("tracklets", []), said, rule)
    for identity, marks in before.get("identities", {}).items():
        _set(connection, int(identity), **marks)
    if change.kind is Saying.MERGE:
        assert change.other is not None
        for identity in (change.identity, change.other):
            _set(connection, identity, in_gallery=True)
        for part in _parts(before["prototypes"]):
            connection.execute(
                update(tracklets).where(tracklets.c.id.in_(part)).values(prototype=True)
            )
    if change.kind is Saying.SPLIT:
        assert change.other is not None
        left = select(tracklets.c.id).where(tracklets.c.identity == change.other)
        _assign(
            connection,
            connection.scalars(left).all(),
            change.identity,
            change.other,
            said,
            rule,
        )
        _set(connection, change.identity, in_gallery=True)
        _set(connection, change.other, **_NOBODY)
    return record(
        connection,
        said,
        Saying.UNDO,
        change.identity,
        change.other,
        tracklets=change.tracklets,
        undoes=change.number,
    )


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
    for part in _parts(numbers):
        files += connection.scalars(select(crops.c.file).where(crops.c.tracklet.in_(part))).all()
        for table in (crops, embeddings, corrections, events, updates):
            connection.execute(delete(table).where(table.c.tracklet.in_(part)))
        connection.execute(delete(tracklets).where(tracklets.c.id.in_(part)))
    return files


def clear_identity(connection: Connection, identity: int) -> None:
    """An identity is nobody any more; its number is not given again."""
    _set(connection, identity, **_NOBODY)


def storable(text: str) -> bool:
    """Whether every database takes it: Unicode without the character 0."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def times_forgotten(connection: Connection) -> int:
    """How often somebody was forgotten: when it grows, numbers of rows may mean others."""
    query = select(func.count()).select_from(audit).where(audit.c.action == Saying.FORGET.value)
    return connection.scalar(query) or 0


def _chosen(own: Mapping[int, StoredVisit], keys: Collection[TrackletKey]) -> list[int]:
    """The numbers of the tracklets with these keys."""
    numbers = {visit.key: number for number, visit in own.items()}
    strange = [str(key) for key in keys if key not in numbers]
    if strange:
        identity = next(iter(own.values())).identity
        raise CamtrailError(
            f"{', '.join(strange)}: no tracklet of identity {identity}; its are: "
            f"{', '.join(map(str, numbers))}"
        )
    return [numbers[key] for key in dict.fromkeys(keys)]


def _mark(
    connection: Connection, kind: Saying, identity: int, said: Said, **marks: str | bool | None
) -> int:
    own = visits(connection, identity)
    former = _identities(connection, [identity], marks)
    change = record(
        connection, said, kind, identity, tracklets=len(own), before={"identities": former}
    )
    _set(connection, identity, **marks)
    return change


def _set(connection: Connection, identity: int, **values: Any) -> None:
    connection.execute(update(identities).where(identities.c.id == identity).values(values))


def _identities(
    connection: Connection, numbers: Sequence[int], columns: Collection[str]
) -> dict[int, dict[str, Any]]:
    """What identities are like, by their number."""
    chosen = select(identities.c.id, *(identities.c[name] for name in columns))
    rows = connection.execute(chosen.where(identities.c.id.in_(numbers)))
    return {row.id: {name: getattr(row, name) for name in columns} for row in rows}


def _decided(connection: Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """What was decided on tracklets."""
    columns = [tracklets.c.id, *(tracklets.c[name] for name in _DECIDED)]
    return [
        row._asdict()
        for part in _parts(numbers)
        for row in connection.execute(select(*columns).where(tracklets.c.id.in_(part)))
    ]


def _prototypes(connection: Connection, numbers: Sequence[int]) -> Sequence[int]:
    """The tracklets that stand for identities in the gallery."""
    t = tracklets.c
    return connection.scalars(
        select(t.id).where(t.identity.in_(numbers), t.prototype).order_by(t.id)
    ).all()


def _restore(
    connection: Connection, rows: Sequence[dict[str, Any]], said: Said, reason: dict[str, str]
) -> None:
    """What was decided on tracklets holds again."""
    for row in rows:
        t = tracklets.c
        former = connection.scalar(select(t.identity).where(t.id == row["id"]))
        values = {name: row[name] for name in _DECIDED}
        connection.execute(update(tracklets).where(t.id == row["id"]).values(values))
        decided = ("identity", "decision", "similarity", "runner_up")
        event = {name: row[name] for name in decided} | {"former": former, "time": said.now}
        event |= {"tracklet": row["id"], "reason": json.dumps(reason)}
        connection.execute(insert(events), event)


def _assign(
    connection: Connection,
    numbers: Sequence[int],
    identity: int,
    former: int,
    said: Said,
    reason: dict[str, str],
) -> None:
    decision = {"decision": Decision.CORRECTED.value, "identity": identity}
    nothing = {"similarity": None, "runner_up": None}
    unasked = {"rival": None, "doubt": None}
    for part in _parts(numbers):
        connection.execute(
            update(tracklets)
            .where(tracklets.c.id.in_(part))
            .values(decision | nothing | unasked | {"decided_at": said.now})
        )
        event = decision | nothing | {"former": former, "time": said.now}
        event |= {"reason": json.dumps(reason)}
        connection.execute(insert(events), [event | {"tracklet": number} for number in part])


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


def _parts(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[first : first + _AT_ONCE] for first in range(0, len(numbers), _AT_ONCE)]
