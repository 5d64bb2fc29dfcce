"""Tokens by which programs use the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from pipeline.errors import CamtrailError
from pipeline.viewer.access.database import Database
from pipeline.viewer.access.roles import Role
from pipeline.viewer.access.schema import tokens, users
from pipeline.viewer.access.secret import hashed, new_secret
from pipeline.viewer.access.users import known

PREFIX = "camtrail_"  # by which a scanner of files knows what it has found
MOST_DAYS = 3650.0
_DAY = 86_400.0
_MAX_LABEL = 100


@dataclass(frozen=True)
class Token:
    """Everything but the secret. Times are seconds since the epoch."""

    id: int
    user: str
    label: str
    role: Role
    created: float
    expires: float


class Tokens:
    """Each acts for a user. For any number of threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, user: str, label: str, role: Role | None, days: float) -> tuple[Token, str]:
        """A new one and its secret, which is kept nowhere.

        Args:
            role: at most the user's, which it is by default.
            days: how long it holds.

        Raises:
            CamtrailError: there is no such user, or the role, the label or the days cannot be.
        """
        if not 0 < days <= MOST_DAYS:
            raise CamtrailError(f"a token holds more than 0 and at most {MOST_DAYS:.0f} days")
        if not label.isprintable() or len(label) > _MAX_LABEL:
            raise CamtrailError(f"a label has at most {_MAX_LABEL} characters that can be printed")
        secret, now = new_secret(PREFIX), self._clock()
        with self._database.writing() as connection:
            own = known(connection, user)
            if role is not None and not own.may(role):
                raise CamtrailError(f"'{user}' is {own}: a token can have no more than that role")
            row: dict[str, Any] = {"user": user, "label": label, "role": (role or own).value}
            times = {"created": now, "expires": now + days * _DAY}
            adding = insert(tokens).returning(tokens.c.id)
            row |= times | {"hash": hashed(secret)}
            number = connection.execute(adding, row).scalar_one()
        return Token(number, user, label, role or own, now, now + days * _DAY), secret

    def all(self) -> list[Token]:
        """In order of their numbers, those that have expired as well, until they are tidied."""
        if not self._database.there:
            return []
        t = tokens.c
        query = select(t.id, t.user, t.label, t.role, t.created, t.expires).order_by(t.id)
        with self._database.reading() as connection:
            return [
                Token(r.id, r.user, r.label, Role(r.role), r.created, r.expires)
                for r in connection.execute(query)
            ]

    def revoke(self, number: int) -> Token:
        """Gives what was revoked.

        Raises:
            CamtrailError: there is no such token.
        """
        found = next((token for token in self.all() if token.id == number), None)
        if found is None:
            raise CamtrailError(f"there is no token {number}; `camtrail tokens list` shows them")
        with self._database.writing() as connection:
            connection.execute(delete(tokens).where(tokens.c.id == number))
        return found

    def holder(self, secret: str) -> tuple[str, Role] | None:
        """For whom it acts, and with which role; None where it is forged or has expired."""
        t = tokens.c
        query = (
            select(t.user, t.role, users.c.role.label("most"))
            .join(users)
            .where(t.hash == hashed(secret), t.expires > self._clock())
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.user, Role(row.role).within(Role(row.most)))

    def tidy(self) -> None:
        """Deletes those that have expired."""
        with self._database.writing() as connection:
            connection.execute(delete(tokens).where(tokens.c.expires <= self._clock()))
