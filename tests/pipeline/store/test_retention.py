"""What is too old is deleted with all that belongs to it, in parts, on both databases."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import CamtrailError
from pipeline.records import Decision, TrackletKey
from pipeline.store import Batch, Outcome, Received, RunState, Said, Store, retention
from pipeline.store.connection import database_file
from pipeline.store.corrections import times_forgotten
from tests.pipeline.store.test_store import ADA, RUN, START, pictured, verdict

DAY = 86_400.0


def filled(store: Store) -> None:
    """A tracklet a day: two of identity 1, one of 2, one undecided, one of 1; the last is open."""
    updates = [
        replace(pictured(1, 0.5, track), start=START + day * DAY, end=START + day * DAY + 5)
        for day, track in enumerate(range(1, 7))
    ]
    verdicts = [
        verdict(1, 1),
        verdict(2, 1, Decision.MATCHED),
        verdict(3, 2),
        verdict(5, 1, Decision.MATCHED),
    ]
    outcome = Outcome(START, verdicts=verdicts)
    outcome.closed = [TrackletKey("gate", RUN, track) for track in range(1, 6)]
    received = [Received(u, u.end) for u in updates]
    store.commit(Batch(received, [RunState("gate", RUN, 6, 6, 6)], outcome, "f" * 32))


def tracks(store: Store) -> list[int]:
    return [row.key.track for row in store.tracks("gate")]


def files() -> list[str]:
    return sorted(path.name.split("-")[1] for path in Path("crops").rglob("*.jpg"))


def test_what_ended_too_long_ago_goes(url: str) -> None:
    with Store.open(url) as store:
        filled(store)
        store.rename(2, "Grace", ADA)
        store.rename(1, "Ada", ADA)
        store.confirm(2, [], ADA)
        assert files() == list("123456")
        expired = store.expire(START + 3 * DAY, None)
        assert [key.track for key in expired.keys] == [1, 2, 3]
        assert (expired.identities, expired.crops, expired.more) == ([1, 2], 3, False)
        assert tracks(store) == [4, 5, 6]
        assert files() == list("456")
        (person,) = store.identities()
        assert (person.identity, person.name, person.tracklets) == (1, "Ada", 1)
        with pytest.raises(CamtrailError, match="cannot be taken back"):
            store.undo(2, ADA, administrator=True)
        with store._engine.connect() as connection:
            named = connection.exec_driver_sql(
                "SELECT count(*) FROM identities WHERE name LIKE 'G%%'"
            )
            assert named.scalar() == 0
            assert retention.times_expired(connection) == 1
        assert not store.expire(START + 3 * DAY, None)
        # what is open stays, and that of the newest decision
        assert [key.track for key in store.expire(START + 99 * DAY, None).keys] == [4]
        assert tracks(store) == [5, 6]
        assert not store.expire(START + 99 * DAY, None)
        store.finish_expiring()
        assert store.snapshot().next_identity == 3


def test_crops_alone(url: str) -> None:
    with Store.open(url) as store:
        filled(store)
        expired = store.expire(None, START + 2 * DAY)
        assert (expired.keys, expired.crops) == ((), 2)
        assert files() == list("3456")
        assert tracks(store) == [1, 2, 3, 4, 5, 6]
        assert [crop.key.track for crop in store.pictures()] == [3, 4, 5, 6]
        detail = store.identity(1)
        assert [visit.crop is None for visit in detail.visits] == [True, True, False]
        assert not store.expire(None, START + 2 * DAY)


def test_a_part_at_a_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    with Store.open(url) as store:
        filled(store)
        parts = [store.expire(START + 4 * DAY, START + 5 * DAY) for _ in range(4)]
        assert [len(part.keys) for part in parts] == [2, 2, 0, 0]
        assert [part.crops for part in parts] == [2, 2, 1, 0]
        assert files() == ["6"]


def test_nothing_of_it_is_in_the_file(sqlite_url: str, tmp_path: Path) -> None:
    file = database_file(sqlite_url)
    assert file is not None
    with Store.open(sqlite_url, crops=tmp_path / "crops") as store:
        filled(store)
        store.rename(2, "Grace Hopper", ADA)
        file.with_name(file.name + ".version-3").write_bytes(b"Grace Hopper")
        everything = b"".join(path.read_bytes() for path in tmp_path.glob("camtrail.sqlite*"))
        assert b"Grace Hopper" in everything
        store.expire(START + 3 * DAY, None)
        store.finish_expiring()
        everything = b"".join(path.read_bytes() for path in tmp_path.glob("camtrail.sqlite*"))
        assert b"Grace Hopper" not in everything


def test_who_said_it_goes_and_what_was_said_stays(url: str) -> None:
    with Store.open(url) as store:
        filled(store)
        early = Said("ada", START, START)
        store.rename(1, "Ada", early)
        store.merge(1, 2, early)
        store.forget(1, Said("ada", START + 1, START))
        assert {change.author for change in store.history(9)} == {"ada"}
        assert store.expire_audit(START + DAY) == 3
        with store._engine.connect() as connection:
            assert times_forgotten(connection) == 1  # readers tell by it what they have to read
            assert connection.exec_driver_sql("SELECT count(*) FROM audit").scalar() == 0
        assert {change.author for change in store.history(9)} == {"somebody"}
        assert not any(change.undoable for change in store.history(9))
        assert store.expire_audit(START + DAY) == 0


def test_later_corrections_keep_their_author(url: str) -> None:
    with Store.open(url) as store:
        filled(store)
        store.confirm(1, [], Said("ada", START, START))
        store.rename(1, "Ada", Said("grace", START + 9 * DAY, START))
        assert store.expire_audit(START + DAY) == 1
        later, earlier = store.history(9)
        assert (later.author, earlier.author) == ("grace", "somebody")
        assert store.undo(later.number, Said("grace", START + 9 * DAY, START), administrator=False)
        with pytest.raises(CamtrailError, match="cannot be taken back"):
            store.undo(earlier.number, ADA, administrator=True)
        assert all(crop.confirmed for crop in store.pictures() if crop.identity == 1)


def test_files_that_the_store_does_not_know_go_when_they_are_old(url: str) -> None:
    with Store.open(url) as store:
        filled(store)
        known = sorted(Path("crops").rglob("*.jpg"))
        old = datetime.fromtimestamp(START, UTC).date()
        stray = Path(f"crops/{old}/hall/{RUN}-9-1.jpg")  # of a camera that nobody knows any more
        young = Path(f"crops/{old}/gate/{RUN}-9-2.jpg")
        later = Path(f"crops/{old + timedelta(30)}/gate/{RUN}-9-3.jpg")
        for path in (stray, young, later):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"jpeg")
        for path in (stray, later):
            os.utime(path, (START, START))
        assert store.delete_strays(START + 9 * DAY) == 1
        assert sorted(Path("crops").rglob("*.jpg")) == sorted([*known, young, later])
        assert not stray.parent.exists()
        assert store.delete_strays(START + 9 * DAY) == 0


def test_what_would_go_is_known_before(url: str) -> None:
    with Store.open(url) as store:
        filled(store)
        for tracklets, crops in ((None, None), (START + 3 * DAY, None), (None, START + 2 * DAY)):
            with store._engine.connect() as connection:
                before = retention.due(connection, tracklets, crops)
            deleted = store.expire(tracklets, crops)
            assert before == (len(deleted.keys), deleted.crops)
