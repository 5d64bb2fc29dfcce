"""Seeing to it that what is deleted from the database is gone from its files as well.

SQLite overwrites it with zeros. PostgreSQL only marks it; ``VACUUM FULL`` then writes the tables
anew without it, and while that lasts nobody can use them, so it is left to `compact` where they are
large. What PostgreSQL's write-ahead log, its archive and its replicas hold is for whoever runs it.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.exc import OperationalError

from pipeline.store.schema import metadata

REWRITTEN_UP_TO = 2**30  # bytes of all tables: seconds

_LOCK_SECONDS = 10  # to wait for readers


def begin_overwriting(connection: Connection) -> None:
    """From here on what this connection deletes is overwritten, where the database can do that."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def finish_overwriting(engine: Engine, rewrite: bool = True) -> bool:
    """After the transaction: whether nothing of what was deleted is left in the tables' files.

    Args:
        rewrite: whether small tables may be written anew for it.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:  # the log holds the pages as they were
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return True
    small = rewrite and _size(engine) <= REWRITTEN_UP_TO
    if small:
        try:
            _vacuum(engine, "FULL")
        except OperationalError:  # somebody reads a table for very long
            small = False
    if not small:
        _vacuum(engine, "ANALYZE")
    return small


def compact(engine: Engine) -> None:
    """Writes the whole database anew, without what was ever deleted from it.

    Raises:
        sqlalchemy.exc.OperationalError: somebody else uses it.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        _vacuum(engine, "FULL")


def _vacuum(engine: Engine, how: str) -> None:
    names = ", ".join(metadata.tables)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
        try:
            connection.exec_driver_sql(f"VACUUM ({how}) {names}")
        finally:
            connection.exec_driver_sql("RESET lock_timeout")


def _size(engine: Engine) -> int:
    names = select(func.unnest(array(list(metadata.tables))).label("name")).subquery()
    size = select(func.sum(func.pg_total_relation_size(func.to_regclass(names.c.name))))
    with engine.connect() as connection:
        return int(connection.scalar(size) or 0)
