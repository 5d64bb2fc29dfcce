"""A store in a database of PostgreSQL.

Whoever writes takes the row of the owner first (see `pipeline.store.Store.claim`): a matcher that
lost the site waits for the other's transaction, and then writes nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

CONNECT_SECONDS = 10

# Unless the URL says otherwise. A host that vanishes is noticed within half a minute.
_DEFAULTS = {
    "application_name": "camtrail",
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
# Else a writer whose host is gone would keep the row of the owner from the one that takes over.
_IDLE_SECONDS = 30


def make_engine(url: URL, read_only: bool) -> Engine:
    """An engine of a database that is there; raises `ModuleNotFoundError` without its driver."""
    missing = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
    engine = create_engine(url.update_query_dict(missing), pool_pre_ping=True)
    event.listen(engine, "connect", _read_settings if read_only else _write_settings)
    return engine


def _read_settings(connection: Any, _: object) -> None:
    connection.read_only = True


def _write_settings(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'")
    cursor.execute("SHOW synchronous_commit")
    # Workers delete from their spools what we have committed: it must survive a loss of power.
    if cursor.fetchone() == ("off",):
        cursor.execute("SET synchronous_commit = on")
    cursor.close()
    connection.commit()
