"""What people say: identities put together, taken apart, confirmed, named and forgotten.

Each is one transaction with its line in the audit. Only the matcher, or who holds its lock, may
call these: it has to change what it remembers in the same step.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.errors import CamtrailError
from pipeline.records import Decision, TrackletKey
from pipeline.store.reader import known_numbers
from pipeline.store.rows import Correction, StoredVisit
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
FORGET = "forget"
_AT_ONCE = 500  # rows of one statement


@dataclass(frozen=True, slots=True)
class Said:
    """Who says something, when by the clock, and up to which event time was decided then."""

    author: str
    time: float
    now: float


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
        raise CamtrailError(f"there is no identity {identity}; {known_numbers(connection)}")
    return found


def merge(connection: Connection, survivor: int, other: int, said: Said) -> None:
    """All tracklets of ``other`` get the identity ``survivor``, which a person says they are."""
    moved, stayed = visits(connection, other), visits(connection, survivor)
    names = dict(
        connection.execute(
            select(identities.c.id, identities.c.name).where(identities.c.id.in_([survivor, other]))
        ).all()
    )
    _assign(connection, list(moved), survivor, other, said, {"rule": f"merged by {said.author}"})
    _say(connection, [*moved, *stayed], survivor, Correction.MERGE, said)
    kept = {"name": names[survivor] or names[other], "in_gallery": True}
    connection.execute(update(identities).where(identities.c.id == survivor).values(kept))
    connection.execute(
        update(identities).where(identities.c.id == other).values(in_gallery=False, name=None)
    )
    write_audit(connection, said, "merge", {"into": survivor, "merged": other})


def split(
    connection: Connection, identity: int, new: int, keys: Collection[TrackletKey], said: Said
) -> None:
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
    _assign(connection, moved, new, identity, said, {"rule": f"split by {said.author}"})
    _say(connection, moved, new, Correction.SPLIT, said)
    _say(connection, rest, identity, Correction.SPLIT, said)
    write_audit(connection, said, "split", {"from": identity, "new": new, "tracklets": len(moved)})


def confirm(
    connection: Connection, identity: int, keys: Collection[TrackletKey], said: Said
) -> list[TrackletKey]:
    """A person says that tracklets show the identity that they have; gives their keys.

    What counts is who they are now: tracklets that the identity gets later are not confirmed by it.

    Args:
        keys: of some of its tracklets; none: of all.

    Raises:
        CamtrailError: there is no such identity, or a tracklet is not one of its.
    """
    own = visits(connection, identity)
    chosen = _chosen(own, keys or [visit.key for visit in own.values()])
    _say(connection, chosen, identity, Correction.CONFIRM, said)
    write_audit(connection, said, "confirm", {"identity": identity, "tracklets": len(chosen)})
    return [own[number].key for number in chosen]


def rename(connection: Connection, identity: int, name: str | None, said: Said) -> None:
    """Gives an identity a name, or takes it."""
    visits(connection, identity)
    if name is not None and not 0 < len(name.strip()) <= MAX_NAME:
        raise CamtrailError(f"a name has 1 to {MAX_NAME} characters")
    connection.execute(
        update(identities).where(identities.c.id == identity).values(name=name and name.strip())
    )
    write_audit(connection, said, "rename", {"identity": identity})


def forget(
    connection: Connection, identity: int, said: Said
) -> tuple[list[TrackletKey], list[str]]:
    """Deletes all that is known of an identity but its number.

    Returns:
        The keys of its tracklets, and the files of their crops, which are still to be deleted.
    """
    own = visits(connection, identity)
    files: list[str] = []
    for numbers in _parts(list(own)):
        files += connection.scalars(select(crops.c.file).where(crops.c.tracklet.in_(numbers))).all()
        for table in (crops, embeddings, corrections, events, updates):
            connection.execute(delete(table).where(table.c.tracklet.in_(numbers)))
        connection.execute(delete(tracklets).where(tracklets.c.id.in_(numbers)))
    rows = [visit.key._asdict() for visit in own.values()]
    connection.execute(insert(forgotten), rows)
    connection.execute(
        update(identities).where(identities.c.id == identity).values(in_gallery=False, name=None)
    )
    write_audit(connection, said, FORGET, {"identity": identity, "tracklets": len(own)})
    return [visit.key for visit in own.values()], files


def times_forgotten(connection: Connection) -> int:
    """How often somebody was forgotten: when it grows, numbers of rows may mean others."""
    query = select(func.count()).select_from(audit).where(audit.c.action == FORGET)
    return connection.scalar(query) or 0


def write_audit(connection: Connection, said: Said, action: str, detail: dict[str, Any]) -> None:
    """One line of who did what."""
    row = {"time": said.time, "author": said.author, "action": action}
    connection.execute(insert(audit), row | {"detail": json.dumps(detail)})


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
    for part in _parts(numbers):
        connection.execute(
            update(tracklets)
            .where(tracklets.c.id.in_(part))
            .values(decision | nothing | {"decided_at": said.now})
        )
        event = decision | nothing | {"former": former, "time": said.now}
        event |= {"reason": json.dumps(reason)}
        connection.execute(insert(events), [event | {"tracklet": number} for number in part])


def _say(
    connection: Connection, numbers: Sequence[int], identity: int, kind: Correction, said: Said
) -> None:
    row = {"time": said.time, "author": said.author, "kind": kind.value, "identity": identity}
    connection.execute(insert(corrections), [row | {"tracklet": number} for number in numbers])


def _parts(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[first : first + _AT_ONCE] for first in range(0, len(numbers), _AT_ONCE)]
