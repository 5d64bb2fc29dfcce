"""What is to be told and what was told, in a small database of its own: durable, bounded."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Occasion
from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey

FILE = "notify.sqlite"
WATCHED: Occasion = "person.watched"

_BUSY_SECONDS = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS place (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL, former INTEGER NOT NULL, since REAL, forgotten INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, occasion TEXT NOT NULL,
    identity INTEGER NOT NULL, camera TEXT NOT NULL, run TEXT NOT NULL, track INTEGER NOT NULL,
    start REAL NOT NULL, unseen REAL
);
CREATE INDEX IF NOT EXISTS notes_by_identity ON notes (identity, start);
CREATE INDEX IF NOT EXISTS notes_by_tracklet ON notes (camera, run, track);
CREATE TABLE IF NOT EXISTS queue (
    receiver TEXT NOT NULL, note INTEGER NOT NULL REFERENCES notes ON DELETE CASCADE,
    since REAL NOT NULL, PRIMARY KEY (receiver, note)
);
CREATE INDEX IF NOT EXISTS queue_by_note ON queue (note);
CREATE TABLE IF NOT EXISTS counts (
    receiver TEXT PRIMARY KEY, delivered INTEGER NOT NULL, dropped INTEGER NOT NULL
);
"""
_NOTE = "id, name, occasion, identity, camera, run, track, start, unseen"


@dataclass(frozen=True, slots=True)
class Place:
    """How far the store was read.

    Attributes:
        number: of the last decision.
        former: where reading began anew, up to which number the decisions were read before.
        since: event time of the newest decision that was read, -inf before the first.
        forgotten: how often somebody was forgotten by then.
    """

    number: int
    former: int
    since: float
    forgotten: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be told: the person ``identity`` was seen as the tracklet ``key``.

    ``name`` is what a receiver knows it by again, ``unseen`` for how many seconds the person had
    not been seen before (None: never before).
    """

    id: int
    name: str
    occasion: Occasion
    identity: int
    key: TrackletKey
    start: float
    unseen: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A note for one receiver; ``since`` is when it was put there, by the clock."""

    note: Note
    since: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one receiver: how many wait, were delivered, were given up."""

    receiver: str
    waiting: int
    delivered: int
    dropped: int


class Outbox:
    """The database; for any number of threads. Make it with `create` first.

    Raises:
        sqlite3.Error: from each method, e.g. where the disk is full; nothing has changed then.
    """

    def __init__(self, data_dir: Path) -> None:
        """Raises CamtrailError where it is missing or cannot be used."""
        self._lock = threading.RLock()
        self._changing = False
        path = data_dir / FILE
        if not path.exists():
            raise CamtrailError(f"{path}: nobody has been told anything yet")
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise CamtrailError(f"{path}: cannot be used: {error}; delete it") from None

    @staticmethod
    def create(data_dir: Path, place: Place) -> None:
        """Makes it where it is missing; the first place to read from is then ``place``.

        Raises:
            CamtrailError: it cannot be made or used.
        """
        path = data_dir / FILE
        since = place.since if math.isfinite(place.since) else None
        row = (place.number, place.former, since, place.forgotten)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            connection = _connect(path)
            with connection:
                connection.executescript(_TABLES)
                connection.execute("INSERT OR IGNORE INTO place VALUES (1, ?, ?, ?, ?)", row)
            connection.close()
        except (OSError, sqlite3.Error) as error:
            raise CamtrailError(f"{path}: cannot be used: {error}") from None

    def close(self) -> None:
        """Closes the database."""
        self._connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All changes inside are made together, or none of them."""
        with self._lock:
            if self._changing:  # a part of others
                yield
                return
            self._changing = True
            try:
                with self._connection:
                    yield
            finally:
                self._changing = False

    def place(self) -> Place:
        """How far the store was read."""
        (row,) = self._rows("SELECT number, former, since, forgotten FROM place")
        return Place(row[0], row[1], -math.inf if row[2] is None else row[2], row[3])

    def read_to(self, place: Place) -> None:
        """Notes how far the store was read."""
        since = place.since if math.isfinite(place.since) else None
        self._do(
            "UPDATE place SET number = ?, former = ?, since = ?, forgotten = ?",
            (place.number, place.former, since, place.forgotten),
        )

    def put(self, note: Note, receivers: Sequence[str], now: float, most: int) -> None:
        """Queues a note, whose ``id`` is not used, for some receivers, of whose queues the oldest
        leave where there are more than ``most``.
        """
        with self.change():
            row = (note.name, note.occasion, note.identity, *note.key, note.start, note.unseen)
            marks = ", ".join("?" * len(row))
            number = self._do(f"INSERT INTO notes VALUES (NULL, {marks})", row)  # noqa: S608
            for receiver in receivers:
                self._do("INSERT INTO queue VALUES (?, ?, ?)", (receiver, number, now))
                self._keep(receiver, most)
            # Only the newest of a person says when they were told of last.
            self._do(
                "DELETE FROM notes WHERE identity = ? AND (occasion = ?) = ? AND id < ? "
                "AND id NOT IN (SELECT note FROM queue)",
                (note.identity, WATCHED, note.occasion == WATCHED, number),
            )

    def told(self, identity: int, watched: bool, but: int = 0) -> float | None:
        """When the last tracklet began by which it was told, or is to be told, that a person was
        seen, or was seen and is watched for; the note ``but`` does not count.
        """
        query = "SELECT max(start) FROM notes WHERE identity = ? AND (occasion = ?) = ? AND id != ?"
        (row,) = self._rows(query, (identity, WATCHED, watched, but))
        start: float | None = row[0]
        return start

    def of_tracklet(self, key: TrackletKey) -> list[Note]:
        """The notes of a tracklet, told or not."""
        query = f"SELECT {_NOTE} FROM notes WHERE camera = ? AND run = ? AND track = ?"  # noqa: S608
        return [_note(row) for row in self._rows(query, key)]

    def waiting_tracklets(self) -> list[TrackletKey]:
        """Of which something is to be told."""
        query = "SELECT DISTINCT camera, run, track FROM notes JOIN queue ON queue.note = notes.id"
        return [TrackletKey(*row) for row in self._rows(query)]

    def waits(self, note: Note) -> bool:
        """Whether a receiver has not been told of it."""
        return bool(self._rows("SELECT 1 FROM queue WHERE note = ? LIMIT 1", (note.id,)))

    def rename(self, note: Note, identity: int, occasion: Occasion, unseen: float | None) -> None:
        """The person of a note is another one."""
        query = "UPDATE notes SET identity = ?, occasion = ?, unseen = ? WHERE id = ?"
        self._do(query, (identity, occasion, unseen, note.id))

    def withdraw(self, note: Note) -> None:
        """Nobody else is told of it."""
        self._do("DELETE FROM queue WHERE note = ?", (note.id,))

    def erase(self, note: Note) -> None:
        """It was never there."""
        self._do("DELETE FROM notes WHERE id = ?", (note.id,))

    def expire(self, before: float) -> int:
        """Forgets what all have been told of, of tracklets that began before a time; how much."""
        with self.change():
            told = "start < ? AND id NOT IN (SELECT note FROM queue)"
            ((count,),) = self._rows(f"SELECT count(*) FROM notes WHERE {told}", (before,))  # noqa: S608
            self._do(f"DELETE FROM notes WHERE {told}", (before,))  # noqa: S608
            return int(count)

    def kept(self, before: float) -> tuple[int, float | None, int]:
        """How many notes there are, when the oldest tracklet among them began, and how many
        `expire` would forget.
        """
        told = "start < ? AND id NOT IN (SELECT note FROM queue)"
        query = f"SELECT count(*), min(start), count(*) FILTER (WHERE {told}) FROM notes"  # noqa: S608
        ((count, oldest, due),) = self._rows(query, (before,))
        return int(count), oldest, int(due)

    def unwatch(self, identity: int) -> None:
        """A person is not watched for any more; the next time is the first again."""
        query = "DELETE FROM notes WHERE identity = ? AND occasion = ?"
        self._do(query, (identity, WATCHED))

    def first(self, receiver: str) -> Waiting | None:
        """What a receiver is told next."""
        query = (
            f"SELECT {_NOTE}, queue.since FROM queue JOIN notes ON id = note "  # noqa: S608
            "WHERE receiver = ? ORDER BY note LIMIT 1"
        )
        rows = self._rows(query, (receiver,))
        return Waiting(_note(rows[0][:-1]), rows[0][-1]) if rows else None

    def delivered(self, receiver: str, note: Note) -> None:
        """The receiver has it."""
        self._done(receiver, note.id, delivered=1, dropped=0)

    def give_up(self, receiver: str, note: Note) -> None:
        """The receiver will not be told of it."""
        self._done(receiver, note.id, delivered=0, dropped=1)

    def keep_receivers(self, names: Sequence[str]) -> None:
        """Forgets what waits for others, which are in the configuration no more."""
        marks = ", ".join("?" * len(names))
        self._do(f"DELETE FROM queue WHERE receiver NOT IN ({marks})", names)  # noqa: S608

    def tally(self, receivers: Sequence[str]) -> list[Tally]:
        """How it stands with each."""
        waiting = dict(self._rows("SELECT receiver, count(*) FROM queue GROUP BY receiver"))
        rows = self._rows("SELECT receiver, delivered, dropped FROM counts")
        counts = {name: (delivered, dropped) for name, delivered, dropped in rows}
        return [Tally(r, waiting.get(r, 0), *counts.get(r, (0, 0))) for r in receivers]

    def _keep(self, receiver: str, most: int) -> None:
        query = "SELECT note FROM queue WHERE receiver = ? ORDER BY note DESC LIMIT -1 OFFSET ?"
        for (number,) in self._rows(query, (receiver, most)):
            self._done(receiver, number, delivered=0, dropped=1)

    def _done(self, receiver: str, note: int, delivered: int, dropped: int) -> None:
        with self.change():
            self._do("DELETE FROM queue WHERE receiver = ? AND note = ?", (receiver, note))
            self._do(
                "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (receiver) DO UPDATE SET "
                "delivered = delivered + excluded.delivered, dropped = dropped + excluded.dropped",
                (receiver, delivered, dropped),
            )

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _do(self, query: str, values: Sequence[object]) -> int:
        """Gives the number of the row that was added."""
        with self.change():
            return self._connection.execute(query, values).lastrowid or 0


def _note(row: Sequence[Any]) -> Note:
    number, name, occasion, identity, camera, run, track, start, unseen = row
    key = TrackletKey(camera, run, track)
    return Note(number, name, occasion, identity, key, start, unseen)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # of somebody forgotten nothing stays
    return connection
