"""Who was where, as columns in memory: what lists, filters and sequences are made of.

A million tracklets are 34 MB here and are sorted and filtered in milliseconds, for which the
store would have to read them all. Only what changed is read again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, func, select

from pipeline.store.corrections import times_forgotten
from pipeline.store.retention import times_expired
from pipeline.store.schema import events, tracklets

REFRESH_SECONDS = 1.0

_CHUNK = 10_000  # numbers in one query
_CHANGES_KEPT = 256
_ROW = np.dtype(
    [
        ("tracklet", np.int64),
        ("identity", np.int64),
        ("camera", np.int16),
        ("start", np.float64),
        ("end", np.float64),
    ]
)

Rows = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """A row an identity, in order of their numbers.

    Attributes:
        identity, first_seen, last_seen, visits: columns (n,).
        offset: (n + 1,), where the rows of each begin among all visits.
    """

    identity: npt.NDArray[np.int64]
    first_seen: npt.NDArray[np.float64]
    last_seen: npt.NDArray[np.float64]
    visits: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]

    @staticmethod
    def of(visits: Rows) -> People:
        """From visits in order of identity and start."""
        number = visits["identity"]
        begins = np.flatnonzero(np.diff(number, prepend=-1))
        last = np.maximum.reduceat(visits["end"], begins) if len(begins) else visits["end"]
        offset = np.append(begins, len(visits)).astype(np.int64)
        return People(number[begins], visits["start"][begins], last, np.diff(offset), offset)


@dataclass(frozen=True)
class View:
    """All as it was at one moment; it does not change.

    Attributes:
        version: grows with each change.
        cameras: their names; ``visits["camera"]`` counts in it.
        visits: columns ``tracklet``, ``identity``, ``camera``, ``start``, ``end`` of every
            tracklet that has an identity, by identity and start.
        people: the same by identity.
    """

    version: int
    cameras: tuple[str, ...]
    visits: Rows
    people: People = field(repr=False)

    def of(self, identity: int) -> Rows:
        """The visits of one identity in order of their start; none where there is no such."""
        row = self.row(identity)
        low, high = (0, 0) if row is None else self.people.offset[row : row + 2].tolist()
        return self.visits[low:high]

    def row(self, identity: int) -> int | None:
        """Of an identity in ``people``; None where there is no such."""
        row = int(np.searchsorted(self.people.identity, identity))
        known = row < len(self.people.identity) and self.people.identity[row] == identity
        return row if known else None

    def cameras_of(self, identity: int) -> list[str]:
        """Where somebody was, in the order of the first visits."""
        seen = dict.fromkeys(self.of(identity)["camera"].tolist())
        return [self.cameras[index] for index in seen]

    def during(self, camera: str | None, since: float | None, until: float | None) -> Mask:
        """Which visits were in this camera and touched this time, (n,)."""
        chosen = np.ones(len(self.visits), bool)
        if camera is not None:
            chosen &= self.visits["camera"] == self.number(camera)
        if since is not None:
            chosen &= self.visits["end"] >= since
        if until is not None:
            chosen &= self.visits["start"] <= until
        return chosen

    def number(self, camera: str) -> int:
        """Of a camera in ``visits``; -1 where nobody was seen in it."""
        return self.cameras.index(camera) if camera in self.cameras else -1


class Catalogue:
    """Follows a store. For any number of threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._cameras: dict[str, int] = {}
        self._changes: deque[tuple[int, frozenset[int]]] = deque(maxlen=_CHANGES_KEPT)
        with engine.connect() as connection:
            self._event, self._open, self._forgotten = state(connection)
            rows = self._rows(connection, None)
        self._view = self._make(rows, 1)

    def view(self, age: float = REFRESH_SECONDS) -> View:
        """As the store is now, or was less than ``age`` seconds ago."""
        with self._lock:
            if time.monotonic() - self._looked >= age:
                self._follow()
                self._looked = time.monotonic()
            return self._view

    def changed(self, version: int) -> list[int] | None:
        """The identities that changed since a version; None where it is too long ago to say."""
        with self._lock:
            known = [ids for at, ids in self._changes if at > version]
            if len(known) != self._view.version - version:
                return None
            return sorted(frozenset().union(*known))

    def _follow(self) -> None:
        with self._engine.connect() as connection:
            event, still_open, forgotten = state(connection)
            touched = still_open | self._open | decided(connection, self._event)
            everything = forgotten != self._forgotten
            if not touched and not everything:
                return
            new = self._rows(connection, None if everything else touched)
        self._event, self._open, self._forgotten = event, still_open, forgotten
        visits = self._view.visits
        stale = (
            np.ones(len(visits), bool)
            if everything
            else np.isin(visits["tracklet"], np.fromiter(touched, np.int64, len(touched)))
        )
        changed = _differences(visits[stale], new)
        if changed:
            self._changes.append((self._view.version + 1, changed))
            rows = np.concatenate([visits[~stale], new])
            self._view = self._make(rows, self._view.version + 1)

    def _make(self, rows: Rows, version: int) -> View:
        visits = rows[np.lexsort((rows["tracklet"], rows["start"], rows["identity"]))]
        return View(version, tuple(self._cameras), visits, People.of(visits))

    def _rows(self, connection: Connection, numbers: Collection[int] | None) -> Rows:
        """The rows of these tracklets that have an identity, or of all."""
        t = tracklets.c
        query = select(t.id, t.identity, t.camera, t.start, t.end).where(t.identity.is_not(None))
        queries = (
            [query]
            if numbers is None
            else [query.where(t.id.in_(chunk)) for chunk in _chunks(sorted(numbers))]
        )
        found = [
            (
                r.id,
                r.identity,
                self._cameras.setdefault(r.camera, len(self._cameras)),
                r.start,
                r.end,
            )
            for query in queries
            for r in connection.execution_options(yield_per=_CHUNK).execute(query)
        ]
        return np.array(found, _ROW)


def state(connection: Connection) -> tuple[int, set[int], int]:
    """The last decision, the tracklets still worked on, and how often somebody was forgotten or
    something was too old. What changes after it is read is found by the next look.
    """
    event = connection.scalar(select(func.max(events.c.id))) or 0
    still_open = set(connection.scalars(select(tracklets.c.id).where(tracklets.c.open)))
    return event, still_open, times_forgotten(connection) + times_expired(connection)


def decided(connection: Connection, after: int) -> set[int]:
    """The tracklets on which there are decisions later than this."""
    return set(connection.scalars(select(events.c.tracklet).where(events.c.id > after)))


def _differences(old: Rows, new: Rows) -> frozenset[int]:
    """The identities that gained, lost or have another visit."""
    before, after = set(old.tolist()), set(new.tolist())
    return frozenset(row[1] for row in before ^ after)


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(numbers), _CHUNK):
        yield numbers[first : first + _CHUNK]
