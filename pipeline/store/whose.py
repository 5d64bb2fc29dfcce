"""Who is whose in the store, read and changed for what people say."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from pipeline.errors import CamtrailError
from pipeline.records import Decision, TrackletKey
from pipeline.store.changes import Said, became
from pipeline.store.rows import StoredVisit
from pipeline.store.schema import events, identities, tracklets

NOBODY: dict[str, Any] = {"name": None, "staff": False, "watched": None, "in_gallery": False}

AT_ONCE = 500  # rows of one statement
_DECIDED = ("identity", "decision", "similarity", "runner_up", "decided_at", "rival", "doubt")


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
        raise nobody(connection, identity)
    return found


def nobody(connection: Connection, identity: int) -> CamtrailError:
    """That an identity has no tracklets: whose they are now, or which identities there are."""
    merge = became(connection, identity)
    if merge is not None:
        return CamtrailError(
            f"identity {identity} is part of {merge.identity} now: {merge.author} merged them"
        )
    owner = given_to(connection, identity)
    if owner is not None:
        return CamtrailError(f"there is no identity {identity} any more; it is part of {owner} now")
    t = tracklets.c.identity
    first, last = connection.execute(select(func.min(t), func.max(t))).one()
    known = f"there are {first} to {last}" if first else "there are none yet"
    return CamtrailError(f"there is no identity {identity}; {known}")


def given_to(connection: Connection, identity: int) -> int | None:
    """Who has the tracklet that left an identity last, now; None where none left."""
    e = events.c
    moved = select(func.max(e.id)).where(e.former == identity).scalar_subquery()
    query = select(tracklets.c.identity).join(events, e.tracklet == tracklets.c.id)
    owner: int | None = connection.scalar(query.where(e.id == moved))
    return owner


def numbers_of(own: Mapping[int, StoredVisit], keys: Collection[TrackletKey]) -> list[int]:
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


def decisions_on(connection: Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """What was decided on tracklets."""
    columns = [tracklets.c.id, *(tracklets.c[name] for name in _DECIDED)]
    return [
        row._asdict()
        for part in in_parts(numbers)
        for row in connection.execute(select(*columns).where(tracklets.c.id.in_(part)))
    ]


def restore(
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


def assign(
    connection: Connection,
    numbers: Sequence[int],
    identity: int,
    former: int,
    said: Said,
    reason: dict[str, str],
) -> None:
    """Tracklets get another identity, since a person says so."""
    decision = {"decision": Decision.CORRECTED.value, "identity": identity}
    nothing = {"similarity": None, "runner_up": None}
    unasked = {"rival": None, "doubt": None}
    for part in in_parts(numbers):
        connection.execute(
            update(tracklets)
            .where(tracklets.c.id.in_(part))
            .values(decision | nothing | unasked | {"decided_at": said.now})
        )
        event = decision | nothing | {"former": former, "time": said.now}
        event |= {"reason": json.dumps(reason)}
        connection.execute(insert(events), [event | {"tracklet": number} for number in part])


def prototypes_of(connection: Connection, numbers: Sequence[int]) -> Sequence[int]:
    """The tracklets that stand for identities in the gallery."""
    t = tracklets.c
    return connection.scalars(
        select(t.id).where(t.identity.in_(numbers), t.prototype).order_by(t.id)
    ).all()


def marks_of(
    connection: Connection, numbers: Sequence[int], columns: Collection[str]
) -> dict[int, dict[str, Any]]:
    """What identities are like, by their number."""
    chosen = select(identities.c.id, *(identities.c[name] for name in columns))
    rows = connection.execute(chosen.where(identities.c.id.in_(numbers)))
    return {row.id: {name: getattr(row, name) for name in columns} for row in rows}


def join_marks(
    connection: Connection, identity: int, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> None:
    """An identity takes over the marks of another that is part of it now."""
    set_marks(
        connection,
        identity,
        name=ours["name"] or theirs["name"],
        staff=ours["staff"] or theirs["staff"],
        watched=theirs["watched"] if ours["watched"] is None else ours["watched"],
        in_gallery=True,
    )


def set_marks(connection: Connection, identity: int, **values: Any) -> None:
    """Of an identity."""
    connection.execute(update(identities).where(identities.c.id == identity).values(values))


def in_parts(numbers: Sequence[int]) -> list[Sequence[int]]:
    """As many as one statement takes."""
    return [numbers[first : first + AT_ONCE] for first in range(0, len(numbers), AT_ONCE)]
