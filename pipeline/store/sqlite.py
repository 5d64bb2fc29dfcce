"""A store in one file of SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

BUSY_SECONDS = 10.0


def make_engine(path: Path, read_only: bool) -> Engine:
    """An engine of a file, which is made where it is missing and may be written."""
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
