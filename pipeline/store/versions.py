"""The version of a store's schema: making it, checking it, and changing it with Alembic.

``meta.schema`` says which version a store has, so that a program that knows no later one refuses
it with a sentence; Alembic's own table is kept in step with it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    event,
    insert,
    inspect,
    select,
)

from pipeline.errors import CamtrailError
from pipeline.store import schema

LATEST = schema.SCHEMA_VERSION
OLDEST = 1

_MIGRATIONS = "pipeline.store:migrations"
_COPY = "{name}.version-{version}"
_LOCK = 0x63616D747261696C  # of PostgreSQL: one process at a time makes or changes tables

alembic_version = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)
)


class NoStoreError(CamtrailError):
    """Nothing is stored there yet."""


def check(engine: Engine, place: str, file: Path | None, read_only: bool) -> None:
    """Sees to it that the database can be used: makes the tables in an empty one, brings older
    ones up to date or, where it may only be read, shows them as if they were.

    Raises:
        CamtrailError: it cannot be used.
    """
    tables = set(inspect(engine).get_table_names())
    if not tables:
        if read_only:
            raise NoStoreError(f"store: {place}: nothing is stored yet; `camtrail run` begins it")
        _create(engine)
        return
    if schema.meta.name not in tables:
        raise CamtrailError(f"store: {place} is a database, but not of camtrail")
    version = version_of(engine)
    if version is None or not OLDEST <= version <= LATEST:
        raise CamtrailError(
            f"store: {place} has schema version {version}; this program knows {LATEST}: use the "
            "camtrail that wrote it, or another data_dir"
        )
    if version == LATEST:
        return
    if read_only:
        _show_newer_columns(engine)
    else:
        migrate(engine, file, LATEST)


def version_of(engine: Engine) -> int | None:
    """The version of a store's schema; None where it does not say."""
    with engine.connect() as connection:
        return _stated(connection)


def migrate(engine: Engine, file: Path | None, version: int) -> Path | None:
    """Brings a store to another version, all or nothing; gives the copy of what it was before,
    which only SQLite has.

    Raises:
        CamtrailError: there is no room for the copy.
        sqlalchemy.exc.DBAPIError: it stays as it was.
    """
    from alembic import command
    from alembic.config import Config

    copy = None if file is None else _copy(engine, file)
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS)
    with engine.begin() as connection:
        _alone(connection)
        config.attributes["connection"] = connection
        now = _known(connection)
        if now is None:  # a store from before there was Alembic
            command.stamp(config, str(_stated(connection)))
            now = _known(connection)
        assert now is not None
        move = command.upgrade if version > now else command.downgrade
        if version != now:
            move(config, str(version))
    engine.dispose()  # what was prepared for the former tables
    return copy


def copies(file: Path) -> list[Path]:
    """The copies that were made of a store of SQLite before its version was changed."""
    return sorted(file.parent.glob(_COPY.format(name=file.name, version="*")))


def _create(engine: Engine) -> None:
    with engine.begin() as connection:
        _alone(connection)
        if inspect(connection).has_table(schema.meta.name):  # made meanwhile
            return
        schema.metadata.create_all(connection)
        alembic_version.create(connection)
        connection.execute(insert(alembic_version), {"version_num": str(LATEST)})
        connection.execute(insert(schema.meta), {"key": "schema", "value": str(LATEST)})


def _alone(connection: Connection) -> None:
    """Until the transaction ends, nobody else makes or changes tables."""
    if connection.dialect.name == "sqlite":  # which else commits each change of a table by itself
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _stated(connection: Connection) -> int | None:
    """The version by our own table."""
    text = connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "schema"))
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else None


def _known(connection: Connection) -> int | None:
    """The version by Alembic's own table."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    text = connection.scalar(select(alembic_version.c.version_num))
    return None if text is None else int(text)


def _copy(engine: Engine, file: Path) -> Path:
    """Copies the database beside itself, as its present version."""
    copy = file.with_name(_COPY.format(name=file.name, version=version_of(engine)))
    partial = copy.with_name(copy.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(file.stat().st_mode & 0o777)
        with engine.connect() as connection, closing(sqlite3.connect(partial)) as target:
            source: Any = connection.connection.driver_connection
            source.backup(target)
        partial.replace(copy)
    except OSError as error:
        raise _no_copy(partial, str(error.strerror)) from None
    except sqlite3.Error as error:
        raise _no_copy(partial, str(error)) from None
    return copy


def _no_copy(partial: Path, why: str) -> CamtrailError:
    partial.unlink(missing_ok=True)
    return CamtrailError(
        f"{partial.parent}: the store is of an older version, and no copy of it can be made before "
        f"it is brought up to date: {why}"
    )


def _show_newer_columns(engine: Engine) -> None:
    """A reader may not change an older store: it looks at it through views of its own."""
    place = engine.dialect.default_schema_name or "main"
    views = []
    for table, missing in _missing_columns(engine):
        rest = ", ".join(f"{_nothing(column, engine)} AS {column.name}" for column in missing)
        whole = f"SELECT *, {rest} FROM {place}.{table.name}"  # noqa: S608 - names of our own
        views.append(f"CREATE TEMPORARY VIEW {table.name} AS {whole}")

    def show(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for view in views:
            cursor.execute(view)
        cursor.close()
        connection.commit()

    engine.dispose()  # connections without the views
    event.listen(engine, "connect", show, insert=True)  # before nothing may be written


def _nothing(column: Column[Any], engine: Engine) -> str:
    kind = column.type.compile(dialect=engine.dialect).partition(" COLLATE ")[0]
    return f"CAST({'NULL' if column.nullable else 'FALSE'} AS {kind})"


def _missing_columns(engine: Engine) -> Iterator[tuple[Table, list[Column[Any]]]]:
    """What the tables of an older version lack; no tables that are missing altogether."""
    found = inspect(engine)
    for table in schema.metadata.tables.values():
        if found.has_table(table.name):
            there = {column["name"] for column in found.get_columns(table.name)}
            missing = [column for column in table.columns if column.name not in there]
            if missing:
                yield table, missing
