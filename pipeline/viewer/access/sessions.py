"""Who has logged in."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, delete, insert, select, update

from pipeline.viewer.access.database import Database
from pipeline.viewer.access.roles import Role
from pipeline.viewer.access.schema import sessions, users
from pipeline.viewer.access.secret import hashed, new_secret

IDLE_SECONDS = 12 * 3600.0
LONGEST_SECONDS = 7 * 86_400.0
_TOUCH_SECONDS = 60.0  # how exactly it is known when one was used


class Sessions:
    """A secret for each login. For any number of threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, user: str) -> str:
        """The secret by which somebody who has given the password is known from now on."""
        secret, now = new_secret(), self._clock()
        row = {"hash": hashed(secret), "user": user, "created": now, "used": now}
        with self._database.writing() as connection:
            connection.execute(insert(sessions), row)
        return secret

    def holder(self, secret: str) -> tuple[str, Role] | None:
        """Whose it is; None where it is forged, has expired or was ended."""
        s, now = sessions.c, self._clock()
        query = (
            select(s.user, s.used, users.c.role)
            .join(users)
            .where(s.hash == hashed(secret), self._alive(now))
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if now - row.used >= _TOUCH_SECONDS:
            with self._database.writing() as connection:
                touched = update(sessions).where(s.hash == hashed(secret)).values(used=now)
                connection.execute(touched)
        return row.user, Role(row.role)

    def end(self, secret: str) -> None:
        """Logs out."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.hash == hashed(secret)))

    def tidy(self) -> None:
        """Deletes those that have expired."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(~self._alive(self._clock())))

    def _alive(self, now: float) -> ColumnElement[bool]:
        s = sessions.c
        return (s.used > now - IDLE_SECONDS) & (s.created > now - LONGEST_SECONDS)
