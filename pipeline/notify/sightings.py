"""The store as the notifier reads it."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select, and_, func, or_, select

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey
from pipeline.store.connection import open_database, readable_errors
from pipeline.store.corrections import times_forgotten
from pipeline.store.schema import SCHEMA_VERSION, events, identities, meta, tracklets

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Sighting:
    """A tracklet, and whose it is now: ``identity`` None where that is undecided.

    ``start`` and ``end`` are seconds of capture time. ``name`` and ``watched`` (why somebody
    watches for the person) are those of the identity.
    """

    key: TrackletKey
    start: float
    end: float
    identity: int | None
    name: str | None
    watched: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The matcher, or a person, said whose a tracklet is; ``time`` is event time."""

    number: int
    time: float
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Part:
    """Some decisions, and the number up to which there is no other one."""

    decisions: Sequence[Decision]
    up_to: int


class Sightings:
    """Opened when the store is there, since the site may start later. For any number of threads.

    Raises:
        CamtrailError: from each method, while there is no store or it cannot be read.
        sqlalchemy.exc.DBAPIError: from each method, where reading fails.
    """

    def __init__(self, site: Site) -> None:
        self._url = site.store_url
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def close(self) -> None:
        """Lets go of the store."""
        if self._engine is not None:
            self._engine.dispose()

    def tick(self) -> float:
        """The event time up to which the matcher has decided."""
        text = self._scalar(select(meta.c.value).where(meta.c.key == "tick"))
        return -math.inf if text is None else float(text)

    def last_number(self) -> int:
        """That of the newest decision."""
        return self._scalar(select(func.max(events.c.id))) or 0

    def times_forgotten(self) -> int:
        """How often somebody was forgotten: numbers of decisions are then given again."""
        with self._opened().connect() as connection:
            return times_forgotten(connection)

    def decided(self, after: int, former: int, since: float) -> Part:
        """The next decisions behind the number ``after``.

        Up to the number ``former`` only those are of interest that were taken at ``since`` or
        later.
        """
        e = events.c
        fresh = or_(e.id > former, e.time >= since)
        with self._opened().connect() as connection:
            last = connection.scalar(select(func.max(e.id))) or 0
            query = (
                _sightings(e.id, e.time)
                .join(events, e.tracklet == tracklets.c.id)
                .where(e.id > after, e.id <= last, fresh)
                .order_by(e.id)
                .limit(_AT_ONCE)
            )
            found = [Decision(r.number, r.time, _sighting(r)) for r in connection.execute(query)]
        return Part(found, found[-1].number if len(found) == _AT_ONCE else last)

    def find(self, key: TrackletKey) -> Sighting | None:
        """A tracklet as it is now; None where it was forgotten."""
        t = tracklets.c
        query = _sightings().where(
            and_(t.camera == key.camera, t.run == key.run, t.track == key.track)
        )
        with self._opened().connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _sighting(row)

    def last_end_before(self, sighting: Sighting) -> float | None:
        """Until when the person was seen by what began earlier; None: this is the first time."""
        t = tracklets.c
        end: float | None = self._scalar(
            select(func.max(t.end)).where(t.identity == sighting.identity, t.start < sighting.start)
        )
        return end

    def _scalar(self, query: Select[Any]) -> Any:
        with self._opened().connect() as connection:
            return connection.scalar(query)

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = _open(self._url)
            return self._engine


def _open(url: str) -> Engine:
    engine = open_database(url, read_only=True)
    with readable_errors("the store"), engine.connect() as connection:
        version = connection.scalar(select(meta.c.value).where(meta.c.key == "schema"))
    if version != str(SCHEMA_VERSION):
        engine.dispose()
        raise CamtrailError(
            f"store: it has the older schema version {version}; `camtrail run` brings it up to date"
        )
    return engine


def _sightings(number: Any = None, time: Any = None) -> Select[Any]:
    t, i = tracklets.c, identities.c
    decision = () if number is None else (number.label("number"), time.label("time"))
    return select(
        *decision, t.camera, t.run, t.track, t.start, t.end, t.identity, i.name, i.watched
    ).join_from(tracklets, identities, i.id == t.identity, isouter=True)


def _sighting(row: Any) -> Sighting:
    return Sighting(
        TrackletKey(row.camera, row.run, row.track),
        row.start,
        row.end,
        row.identity,
        row.name,
        row.watched,
    )
