"""Who there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.errors import CamtrailError
from pipeline.viewer.access.database import Database
from pipeline.viewer.access.passwords import (
    NOBODYS,
    check_password,
    hash_password,
    is_password,
)
from pipeline.viewer.access.roles import Role
from pipeline.viewer.access.schema import sessions, users

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")


@dataclass(frozen=True)
class User:
    """``created``: seconds since the epoch."""

    name: str
    role: Role
    created: float


class Users:
    """Names, passwords and roles. For any number of threads.

    Raises:
        CamtrailError: from each method, where the file cannot be used.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def anybody(self) -> bool:
        """Whether there is one at all."""
        if not self._database.there:
            return False
        with self._database.reading() as connection:
            return connection.scalar(select(users.c.name).limit(1)) is not None

    def all(self) -> list[User]:
        """In order of their names."""
        if not self._database.there:
            return []
        query = select(users.c.name, users.c.role, users.c.created).order_by(users.c.name)
        with self._database.reading() as connection:
            return [User(r.name, Role(r.role), r.created) for r in connection.execute(query)]

    def add(self, name: str, password: str, role: Role) -> None:
        """A new user.

        Raises:
            CamtrailError: the name is none or is taken, the password is weak, or the first user
                would be no administrator.
        """
        if not _NAME.fullmatch(name):
            raise CamtrailError(
                f"'{name}' is no user name: lower-case letters, digits and . _ @ -, at most 63"
            )
        check_password(password, name)
        kept = hash_password(password)
        row = {"name": name, "password": kept, "role": role.value, "created": self._clock()}
        with self._database.writing() as connection:
            if connection.scalar(select(users.c.name).where(users.c.name == name)):
                raise CamtrailError(
                    f"there is a user '{name}' already; `camtrail users password` changes the "
                    "password, `camtrail users role` the role"
                )
            if role is not Role.ADMINISTRATOR and not _administrators(connection):
                raise CamtrailError("the first user has to be an administrator")
            connection.execute(insert(users), row)

    def remove(self, name: str) -> None:
        """With the sessions and tokens.

        Raises:
            CamtrailError: there is no such user, or others would have no administrator.
        """
        with self._database.writing() as connection:
            known(connection, name)
            connection.execute(delete(users).where(users.c.name == name))
            _check_administrators(connection)

    def set_password(self, name: str, password: str) -> None:
        """Another password; whoever has logged in with the old one is logged out.

        Raises:
            CamtrailError: there is no such user, or the password is weak.
        """
        check_password(password, name)
        kept = hash_password(password)
        with self._database.writing() as connection:
            known(connection, name)
            connection.execute(update(users).where(users.c.name == name).values(password=kept))
            connection.execute(delete(sessions).where(sessions.c.user == name))

    def set_role(self, name: str, role: Role) -> None:
        """Another role, from the next request on.

        Raises:
            CamtrailError: there is no such user, or no administrator would be left.
        """
        with self._database.writing() as connection:
            known(connection, name)
            connection.execute(update(users).where(users.c.name == name).values(role=role.value))
            _check_administrators(connection)

    def is_known(self, name: str) -> bool:
        """Whether there is such a user."""
        with self._database.reading() as connection:
            return connection.scalar(select(users.c.name).where(users.c.name == name)) is not None

    def has_password(self, name: str, password: str) -> bool:
        """Whether this is the password of this user; as slow where there is no such."""
        with self._database.reading() as connection:
            kept = connection.scalar(select(users.c.password).where(users.c.name == name))
        return is_password(kept or NOBODYS, password) and kept is not None


def known(connection: Connection, name: str) -> Role:
    """The role of a user.

    Raises:
        CamtrailError: there is none; the text lists those there are.
    """
    rows = connection.execute(select(users.c.name, users.c.role).order_by(users.c.name)).all()
    roles = {row.name: Role(row.role) for row in rows}
    if name not in roles:
        there_are = f"there are: {', '.join(roles)}" if roles else "there is none yet"
        raise CamtrailError(f"there is no user '{name}'; {there_are}")
    return roles[name]


def _administrators(connection: Connection) -> int:
    query = select(func.count()).where(users.c.role == Role.ADMINISTRATOR.value)
    return connection.scalar(query) or 0


def _check_administrators(connection: Connection) -> None:
    if not _administrators(connection) and connection.scalar(select(users.c.name).limit(1)):
        raise CamtrailError(
            "nobody else is an administrator; first make one with `camtrail users role NAME "
            "--role administrator`"
        )
