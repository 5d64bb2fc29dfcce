"""Opening the database of a store, and errors that a user can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
)

from pipeline.config import redact, redact_url
from pipeline.errors import CamtrailError
from pipeline.store import postgresql, sqlite, versions

# What a database says that is away, full, locked or may not be written: another time it may work.
TROUBLE = (OperationalError, InterfaceError, InternalError)


class StoreAwayError(CamtrailError):
    """The server of the store does not answer, or lets nobody in."""


def open_database(url: str, read_only: bool) -> Engine:
    """An engine whose database has our schema; an older one is brought up to date, unless it may
    only be read.

    Raises:
        NoStoreError: nothing is stored there yet, and it may only be read.
        StoreAwayError: its server does not answer.
        CamtrailError: it is corrupt, no store, or of another version.
    """
    place = redact_url(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise CamtrailError(f"store: {place} is no database URL") from None
    file = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
    if file is not None and parsed.database:
        place = str(file)
        if read_only and not file.exists():
            raise versions.NoStoreError(f"{file}: there is no store yet; `camtrail run` makes one")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CamtrailError(f"{file.parent}: cannot be made: {error.strerror}") from None
    with readable_errors(place):
        engine = _make_engine(parsed, read_only)
        try:
            versions.check(engine, place, file, read_only)
        except BaseException:
            engine.dispose()
            raise
    return engine


def change_version(url: str, version: int) -> Path | None:
    """Brings a store of any version that is known to another; gives the copy of what it was before,
    which only SQLite has.

    Raises:
        CamtrailError: it cannot be used; it is as it was.
    """
    with readable_errors(redact_url(url)):
        engine = _make_engine(make_url(url), read_only=False)
        try:
            return versions.migrate(engine, database_file(url), version)
        finally:
            engine.dispose()


def database_file(url: str) -> Path | None:
    """The file of an SQLite store; None for others."""
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    return Path(parsed.database) if sqlite and parsed.database else None


def has_store(url: str) -> bool:
    """Whether anything was stored there yet.

    Raises:
        CamtrailError: that cannot be found out.
    """
    file = database_file(url)
    if file is not None:
        return file.exists()
    try:
        open_database(url, read_only=True).dispose()
    except versions.NoStoreError:
        return False
    return True


def _make_engine(url: URL, read_only: bool) -> Engine:
    if url.get_backend_name() == "sqlite":
        return sqlite.make_engine(Path(url.database or ""), read_only)
    return postgresql.make_engine(url, read_only)


@contextmanager
def readable_errors(place: str) -> Iterator[None]:
    """Turns what the database says when it cannot be used at all into a `CamtrailError`."""
    try:
        yield
    except DBAPIError as error:
        text = f"store: {place}: {cause(error)}"
        if isinstance(error.orig, sqlite3.DatabaseError) and not isinstance(
            error, OperationalError
        ):
            text += "; restore it from a backup, or choose another data_dir"
        if isinstance(error.orig, sqlite3.Error) or not isinstance(error, OperationalError):
            raise CamtrailError(text) from None
        raise StoreAwayError(text) from None
    except ModuleNotFoundError as error:
        raise CamtrailError(
            f"store: {place}: needs the package {error.name}; install camtrail[postgres]"
        ) from None
    except NoSuchModuleError:
        raise CamtrailError(f"store: {place}: no database of this kind is known") from None


def cause(error: BaseException) -> str:
    """What a database said, in one line and without secrets."""
    said = str((error.orig if isinstance(error, DBAPIError) else None) or error)
    return redact(next(iter(said.splitlines()), "unknown error"))
