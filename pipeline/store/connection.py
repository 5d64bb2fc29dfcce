"""Opening the database: pragmas, schema version, and errors that a user can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Table,
    create_engine,
    event,
    exists,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import CreateColumn

from pipeline.config import redact_url
from pipeline.errors import CamtrailError
from pipeline.store import schema

BUSY_SECONDS = 10.0
_OLDER = ("1", "2", "3")  # versions of the schema that can be brought to the present one
# indexes in words that no query of SQLite uses
_PARTIAL_BEFORE_4 = ("tracklets_open", "tracklets_prototype", "identities_in_gallery")


def open_database(url: str, read_only: bool) -> Engine:
    """An engine whose database has our schema.

    Raises:
        CamtrailError: it is missing (read only), corrupt, no store, or of another version.
    """
    place = redact_url(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise CamtrailError(f"store: {place} is no database URL") from None
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        path = Path(parsed.database)
        place = str(path)
        if read_only and not path.exists():
            raise CamtrailError(f"{path}: there is no store yet; `camtrail run` makes one")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CamtrailError(f"{path.parent}: cannot be made: {error.strerror}") from None
    with readable_errors(place):
        engine = _sqlite(Path(parsed.database or ""), read_only) if sqlite else create_engine(url)
        _check_schema(engine, place, read_only)
    return engine


def database_file(url: str) -> Path | None:
    """The file of an SQLite store; None for others."""
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    return Path(parsed.database) if sqlite and parsed.database else None


@contextmanager
def readable_errors(place: str) -> Iterator[None]:
    """Turns what the database says when it cannot be used at all into a `CamtrailError`."""
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig).splitlines()[0] if error.orig else "unknown error"
        if isinstance(error.orig, sqlite3.DatabaseError) and not isinstance(
            error, OperationalError
        ):
            cause += "; restore it from a backup, or choose another data_dir"
        raise CamtrailError(f"store: {place}: {cause}") from None
    except ModuleNotFoundError as error:
        raise CamtrailError(f"store: {place}: needs the package {error.name}") from None


def _sqlite(path: Path, read_only: bool) -> Engine:
    # A URI, so that reading never creates a file; absolute, whatever the working directory.
    mode = "ro" if read_only else "rwc"

    def creator() -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)

    engine = create_engine("sqlite://", creator=creator, poolclass=QueuePool)
    event.listen(engine, "connect", _read_pragmas if read_only else _write_pragmas)
    return engine


def _read_pragmas(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only = 1")


def _write_pragmas(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # Workers delete from their spools what we have committed: it must survive a loss of power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _check_schema(engine: Engine, place: str, read_only: bool) -> None:
    tables = set(inspect(engine).get_table_names())
    if not tables and not read_only:
        schema.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(
                insert(schema.meta), {"key": "schema", "value": str(schema.SCHEMA_VERSION)}
            )
        return
    if schema.meta.name not in tables:
        raise CamtrailError(f"store: {place} is a database, but not of camtrail")
    with engine.connect() as connection:
        version = connection.scalar(
            select(schema.meta.c.value).where(schema.meta.c.key == "schema")
        )
    if version in _OLDER:  # a reader finds all that it had
        if read_only:
            _show_newer_columns(engine)
        else:
            _upgrade(engine)
    elif version != str(schema.SCHEMA_VERSION):
        raise CamtrailError(
            f"store: {place} has schema version {version}; this program knows "
            f"{schema.SCHEMA_VERSION}: use the camtrail that wrote it, or another data_dir"
        )


def _missing_columns(engine: Engine) -> Iterator[tuple[Table, list[Column[Any]]]]:
    """What the tables of an older version lack; no tables that are missing altogether."""
    found = inspect(engine)
    for table in schema.metadata.tables.values():
        if found.has_table(table.name):
            there = {column["name"] for column in found.get_columns(table.name)}
            missing = [column for column in table.columns if column.name not in there]
            if missing:
                yield table, missing


def _show_newer_columns(engine: Engine) -> None:
    """A reader may not change an older store: it looks at it through views of its own."""
    place = engine.dialect.default_schema_name or "main"
    views = []
    for table, missing in _missing_columns(engine):
        rest = ", ".join(f"{'NULL' if c.nullable else 'FALSE'} AS {c.name}" for c in missing)
        whole = f"SELECT *, {rest} FROM {place}.{table.name}"  # noqa: S608 - names of our own
        views.append(f"CREATE TEMPORARY VIEW {table.name} AS {whole}")

    def show(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for view in views:
            cursor.execute(view)
        cursor.close()

    engine.dispose()  # connections without the views
    event.listen(engine, "connect", show, insert=True)  # before nothing may be written


def _upgrade(engine: Engine) -> None:
    """From an older version: the best crops become the first that are kept. Safe to do again."""
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        for table, missing in _missing_columns(engine):
            for column in missing:
                column_ddl = CreateColumn(column).compile(dialect=engine.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column_ddl}")
        for name in _PARTIAL_BEFORE_4:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
        for table in schema.metadata.tables.values():
            for index in table.indexes:
                index.create(connection, checkfirst=True)
    t = schema.tracklets.c
    best = select(t.id, t.seq, t.crop, t.end, t.thumbnail_quality).where(t.crop.is_not(None))
    known = exists().where(schema.crops.c.tracklet == t.id)
    with engine.begin() as connection:
        connection.execute(
            insert(schema.crops).from_select(
                ["tracklet", "seq", "file", "time", "quality"], best.where(~known)
            )
        )
        connection.execute(
            update(schema.meta)
            .where(schema.meta.c.key == "schema")
            .values(value=str(schema.SCHEMA_VERSION))
        )
