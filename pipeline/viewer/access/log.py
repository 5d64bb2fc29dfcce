"""Who looked at whom, who logged in, and what was done to users."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.viewer.access.database import Database
from pipeline.viewer.access.schema import audit, looked

TOGETHER_SECONDS = 300.0
_DAY = 86_400.0


class Look(StrEnum):
    """Ways to look at people."""

    PERSON = "looked at"
    PICTURE = "searched by picture"
    SEQUENCE = "searched by cameras"
    CROPS = "saw pictures"
    RECORDING = "played recordings"
    CLEAR = "saw people clearly"  # where others do not


class Deed(StrEnum):
    """What else is written down."""

    LOGIN = "logged in"
    REFUSED = "login refused"
    LOGOUT = "logged out"
    USER_ADDED = "added user"
    USER_REMOVED = "removed user"
    PASSWORD = "changed password"  # noqa: S105
    ROLE = "changed role"
    TOKEN_ADDED = "added token"  # noqa: S105
    TOKEN_REVOKED = "revoked token"  # noqa: S105


@dataclass(frozen=True)
class Line:
    """One line; ``times`` looks between ``time`` and ``until`` (seconds since the epoch)."""

    id: int
    time: float
    until: float
    times: int
    author: str
    action: str
    identities: list[int]
    detail: dict[str, Any]


class Log:
    """Looks are written before what was looked at is given away. For any number of threads."""

    def __init__(self, database: Database, days: float, clock: Callable[[], float]) -> None:
        self._database = database
        self._kept = days * _DAY
        self._clock = clock

    def look(self, author: str, look: Look, identities: Collection[int] = ()) -> None:
        """Somebody looked. What the same person looks at within minutes is one line."""
        whom, now, a = json.dumps(sorted(set(identities))), self._clock(), audit.c
        lately = (
            select(a.id)
            .where(a.time > now - TOGETHER_SECONDS, a.author == author)
            .where(a.action == look.value, a.identities == whom)
            .order_by(a.id.desc())
            .limit(1)
        )
        with self._database.writing() as connection:
            line = connection.scalar(lately)
            if line is None:
                _write(connection, now, author, look.value, identities, {})
            else:
                more = {"times": a.times + 1, "until": now}
                connection.execute(update(audit).where(a.id == line).values(more))

    def deed(self, author: str, deed: Deed, **detail: Any) -> None:
        """Somebody did something."""
        with self._database.writing() as connection:
            _write(connection, self._clock(), author, deed.value, (), detail)

    def lines(self, author: str | None, identity: int | None, before: int | None) -> Iterator[Line]:
        """The newest first.

        Args:
            author, identity: only those of this person, or about this one.
            before: only those with a lower number.
        """
        if not self._database.there:
            return
        query = select(audit).order_by(audit.c.id.desc())
        if author is not None:
            query = query.where(audit.c.author == author)
        if identity is not None:
            query = query.join(looked).where(looked.c.identity == identity)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._database.reading() as connection:
            for row in connection.execution_options(yield_per=200).execute(query):
                values = row._asdict()
                for name in ("identities", "detail"):
                    values[name] = json.loads(values[name])
                yield Line(**values)

    def tidy(self) -> None:
        """Deletes what is older than it is to be kept."""
        with self._database.writing() as connection:
            old = audit.c.until < self._clock() - self._kept
            connection.execute(delete(audit).where(old))


def _write(
    connection: Connection,
    now: float,
    author: str,
    action: str,
    identities: Collection[int],
    detail: dict[str, Any],
) -> None:
    row = {
        "time": now,
        "until": now,
        "times": 1,
        "author": author,
        "action": action,
        "identities": json.dumps(sorted(set(identities))),
        "detail": json.dumps(detail),
    }
    line = connection.execute(insert(audit).returning(audit.c.id), row).scalar_one()
    if identities:
        rows = [{"identity": identity, "line": line} for identity in set(identities)]
        connection.execute(insert(looked), rows)
