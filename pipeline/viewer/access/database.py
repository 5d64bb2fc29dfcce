"""``access.sqlite`` in the folder of the site: one file that only its owner can read."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from pipeline.errors import CamtrailError
from pipeline.viewer.access import schema

FILE = "access.sqlite"
_BUSY_SECONDS = 10.0
_WRITES = "camtrail_writes"


class Database:
    """Opened, and made, when it is first used. For any number of threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    @property
    def there(self) -> bool:
        """Whether anything was ever written."""
        return self._engine is not None or self.path.exists()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state.

        Raises:
            CamtrailError: the file cannot be read.
        """
        with self._readable(), self._opened().connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The same, alone: what is read in it still holds when it is committed.

        Raises:
            CamtrailError: the file cannot be written.
        """
        with (
            self._readable(),
            self._opened().connect() as connection,
            connection.execution_options(**{_WRITES: True}).begin(),
        ):
            yield connection

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                _make_private(self.path)
                engine = _engine(self.path)
                _prepare(engine, self.path)
                self._engine = engine
            return self._engine

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            cause = str(error.orig).splitlines()[0] if error.orig else "unknown error"
            raise CamtrailError(f"{self.path}: {cause}") from None


def _make_private(path: Path) -> None:
    """The file is the owner's alone from its first moment on, whatever the umask."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CamtrailError(f"{path}: {error.strerror}") from None


def _engine(path: Path) -> Engine:
    def creator() -> sqlite3.Connection:
        return sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    engine = create_engine("sqlite://", creator=creator, poolclass=QueuePool, max_overflow=40)
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _pragmas(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")


def _begin(connection: Connection) -> None:
    # Two that read first and then write would otherwise fail, not wait for each other.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(engine: Engine, path: Path) -> None:
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        version = connection.exec_driver_sql("PRAGMA user_version").scalar()
        if version == 0:
            schema.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")
        elif version != schema.VERSION:
            raise CamtrailError(
                f"{path} has version {version}; this program knows {schema.VERSION}: use the "
                "camtrail that wrote it"
            )
