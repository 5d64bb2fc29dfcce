"""Stores of former versions are brought up to date, and back, on both databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError

from pipeline.errors import CamtrailError
from pipeline.records import TrackletKey
from pipeline.store import Move, Outcome, Saying, Store, versions
from pipeline.store.connection import database_file
from pipeline.store.schema import metadata
from tests.full_disk import no_file_beyond
from tests.pipeline.store.test_store import ADA, RUN, START, batch, pictured, update, verdict

SCHEMA_3 = Path(__file__).with_name("schema_3.sql")
LATER = {1: ("crops", "corrections", "embeddings", "audit", "forgotten")}
LATER |= {2: ("embeddings", "audit", "forgotten"), 3: ()}
STATED = 4  # the first version whose stores say of themselves how they came about


def make_older(url: str, version: int) -> None:
    """Makes the store one of a former version, with all that this could hold.

    On SQLite, where there were such stores, in the words of that time.
    """
    path = database_file(url)
    if path is None or version >= STATED:
        with Store.open(url) as store:
            versions.migrate(store._engine, None, version)
        return
    newer = path.replace(path.with_suffix(".newer"))
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA_3.read_text())
        connection.execute("ATTACH ? AS newer", [str(newer)])
        tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            info = connection.execute(f"PRAGMA main.table_info({table})")
            names = ", ".join(f'"{row[1]}"' for row in info)
            connection.execute(f"INSERT INTO {table} SELECT {names} FROM newer.{table}")
        for table in LATER[version]:
            connection.execute(f"DROP TABLE main.{table}")
        connection.execute("UPDATE main.meta SET value = ? WHERE key = 'schema'", [str(version)])


def layout(store: Store) -> dict[str, set[str]]:
    """The columns of every table, and all indexes with their conditions."""
    found = inspect(store._engine)
    return {
        table: {f"{c['name']} {c['type']} {c['nullable']}" for c in found.get_columns(table)}
        | {f"{i['name']} {i['column_names']} {_where(i)}" for i in found.get_indexes(table)}
        for table in found.get_table_names()
    }


def _where(index: Any) -> str:
    options = index.get("dialect_options", {})
    return str(next((v for k, v in options.items() if k.endswith("_where")), ""))


def differences(store: Store) -> list[object]:
    """Between the tables that the program knows and those that there are."""
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_a_new_store_is_what_the_migrations_make(url: str) -> None:
    with Store.open(url) as store:
        assert differences(store) == []
        made = layout(store)
        versions.migrate(store._engine, None, versions.OLDEST)
        versions.migrate(store._engine, None, versions.LATEST)
        assert differences(store) == []
        assert layout(store) == made


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_store_of_a_former_version_is_read_and_brought_up_to_date(url: str, version: int) -> None:
    with Store.open(url) as store:
        outcome = Outcome(START, verdicts=[verdict(1, 1)])
        store.commit(batch(pictured(1, 0.4), update(2), outcome=outcome))
        written, person, new = list(store.pictures()), store.identity(1), layout(store)
        assert len(written) == 1
    make_older(url, version)
    with Store.open(url, read_only=True) as store:
        assert store.count_embedded("f" * 32, 8) == ((0, 0) if version < 3 else (2, 2))
        assert list(store.pictures()) == written
        assert store.identity(1) == person
        assert len(store.identities()) == 1
    for _ in range(2):
        with Store.open(url, keep=1) as store:
            assert list(store.pictures()) == written
            assert store.identity(1) == person
            assert store.fact("schema") == str(versions.LATEST)
            assert store.count_embedded("f" * 32, 8) == (2, 2)
            assert layout(store) == new
    with Store.open(url, keep=1) as store:
        store.commit(batch(pictured(2, 0.3)))
        store.confirm(1, [], ADA)
        assert [crop.confirmed for crop in store.pictures()] == [1, 1]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_back_and_forth_what_a_former_version_knows_is_kept(url: str, version: int) -> None:
    with Store.open(url, keep=1) as store:
        verdicts = [verdict(1, 1), verdict(2, 2)]
        store.commit(batch(pictured(1, 0.4), update(2), outcome=Outcome(START, verdicts=verdicts)))
        store.commit(batch(pictured(2, 0.8)))
        store.confirm(1, [], ADA)
        store.forget(2, ADA)
        before = store.identity(1), store.counts()
        versions.migrate(store._engine, None, version)
        assert versions.version_of(store._engine) == version
        versions.migrate(store._engine, None, versions.LATEST)
        assert (store.identity(1), store.counts()) == before
        assert len(list(store.pictures())) == (1 if version == 1 else 2)
        assert {crop.confirmed for crop in store.pictures()} == {None if version == 1 else 1}
        assert len(store.snapshot().forgotten) == (0 if version < 3 else 1)
        store.commit(batch(update(1, 3)))
        assert store.counts().updates == before[1].updates + 1


def test_before_a_store_is_changed_it_is_copied(sqlite_url: str) -> None:
    file = database_file(sqlite_url)
    assert file is not None
    with Store.open(sqlite_url) as store:
        store.commit(batch(update(1), outcome=Outcome(START, verdicts=[verdict(1, 1)])))
    file.chmod(0o600)
    make_older(sqlite_url, 3)
    with Store.open(sqlite_url) as store:
        (copy,) = versions.copies(file)
        assert (copy.name, copy.stat().st_mode & 0o777) == ("camtrail.sqlite.version-3", 0o644)
        old = create_engine(f"sqlite:///{copy}")
        assert versions.version_of(old) == 3
        old.dispose()
        with Store.open(f"sqlite:///{copy}", read_only=True) as former:
            assert former.identity(1) == store.identity(1)
        store.forget(1, ADA)  # of whom a copy knows as well
        assert versions.copies(file) == []


def test_without_room_for_a_copy_nothing_is_changed(sqlite_url: str) -> None:
    file = database_file(sqlite_url)
    assert file is not None
    with Store.open(sqlite_url) as store:
        store.commit(batch(update(1)))
    make_older(sqlite_url, 3)
    with no_file_beyond(40_000), pytest.raises(CamtrailError, match="no copy of it can be made"):
        Store.open(sqlite_url)
    assert [path.name for path in file.parent.iterdir() if "version" in path.name] == []
    with Store.open(sqlite_url, read_only=True) as store:
        assert store.fact("schema") == "3"
    with Store.open(sqlite_url) as store:
        assert store.fact("schema") == str(versions.LATEST)


def test_what_was_answered_is_lost_on_the_way_back_and_nothing_else(url: str) -> None:
    with Store.open(url) as store:
        verdicts = [verdict(1, 1), verdict(2, 2)]
        store.commit(batch(update(1), update(2), outcome=Outcome(START, verdicts=verdicts)))
        one, other = (TrackletKey("gate", RUN, track) for track in (1, 2))
        store.rename(1, "Ada", ADA)
        store.answer(one, other, Move([other], 2, 1), ADA, same=True)
        store.undo(2, ADA, administrator=False)
        store.answer(one, other, None, ADA, same=False)
        assert [link.same for link in store.snapshot().links] == [False]
        before = store.identities()
        versions.migrate(store._engine, None, 4)
        versions.migrate(store._engine, None, versions.LATEST)
        assert store.snapshot().links == []
        assert [change.kind for change in store.history(9)] == [Saying.RENAME]
        assert store.identities() == before


def test_a_migration_that_fails_changes_nothing(url: str) -> None:
    with Store.open(url) as store:
        store.commit(batch(update(1)))
        versions.migrate(store._engine, None, 3)
        before = layout(store)
        with store._engine.begin() as connection:  # in the way of one of the last steps
            connection.exec_driver_sql("CREATE INDEX identities_watched ON identities (name)")
        with pytest.raises(DBAPIError, match="identities_watched"):
            versions.migrate(store._engine, None, 4)
        with store._engine.begin() as connection:
            connection.exec_driver_sql("DROP INDEX identities_watched")
        assert layout(store) == before
        versions.migrate(store._engine, None, versions.LATEST)
        assert differences(store) == []
