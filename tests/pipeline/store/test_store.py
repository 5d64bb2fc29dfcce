"""The store on real SQLite files, and in a real PostgreSQL server."""

from __future__ import annotations

import math
import re
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Select, event, select
from sqlalchemy.exc import OperationalError

from pipeline.errors import CamtrailError
from pipeline.records import (
    Assignment,
    CameraState,
    Decision,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Link, Outcome, Received, RunState, Said, Store, Verdict
from pipeline.store.connection import TROUBLE
from pipeline.store.crops import KeptCrop, best_of, superfluous
from pipeline.store.packing import pack_embedding, pack_path, unpack_embedding, unpack_path
from pipeline.store.schema import identities, tracklets

RUN = "01JGTESTRUN000000000000000"
START = 1_767_600_000.0  # 2026-01-05T08:00:00Z
ADA = Said("ada", START, START)


def update(track: int = 1, seq: int = 1, points: int = 3, **changes: object) -> TrackletUpdate:
    first = START + (seq - 1) * points
    path = TrackPath.of(
        [(first + i, int(first - START) + i + 1, (i, 1, i + 10, 30)) for i in range(points)]
    )
    plain = TrackletUpdate(
        camera="gate",
        run=RUN,
        track=track,
        seq=seq,
        start=START,
        end=first + points - 1,
        path=path,
        crops=seq,
        quality=0.5 * seq,
        embedding=np.eye(8, dtype=np.float32)[track % 8],
        fingerprint="f" * 32,
        thumbnail=None,
        thumbnail_quality=0.5,
        ended=False,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def batch(*updates: TrackletUpdate, outcome: Outcome | None = None) -> Batch:
    received = [Received(u, u.end) for u in updates]
    numbers = max((u.seq for u in updates), default=0)
    run = RunState("gate", RUN, numbers, numbers, numbers, START, CameraState.RUNNING)
    return Batch(received, [run], outcome or Outcome(), "f" * 32)


def verdict(track: int, identity: int, decision: Decision = Decision.NEW) -> Verdict:
    key = TrackletKey("gate", RUN, track)
    similarity = math.nan if decision is Decision.NEW else 0.8
    assignment = Assignment(key, identity, decision, similarity, math.nan, START + 2)
    return Verdict(key, START + 2, assignment, None, {"rule": "test"})


@given(
    st.lists(
        st.tuples(
            st.floats(0, 2e9),
            st.integers(1, 2**31 - 1),
            st.tuples(*[st.floats(-1e5, 1e5, width=32)] * 4),
        ),
        max_size=20,
    )
)
def test_paths_come_back_exactly(points: list[tuple[float, int, tuple[float, ...]]]) -> None:
    path = TrackPath.of(points)
    back = unpack_path(pack_path(path))
    np.testing.assert_array_equal(back.times, path.times)
    np.testing.assert_array_equal(back.frames, path.frames)
    np.testing.assert_array_equal(back.boxes, path.boxes)


def test_embeddings_are_stable_once_packed() -> None:
    vector = np.random.default_rng(0).standard_normal(256).astype(np.float32)
    vector /= np.linalg.norm(vector)
    once = unpack_embedding(pack_embedding(vector))
    assert once is not None
    np.testing.assert_allclose(once, vector, atol=1e-3)
    assert pack_embedding(once) == pack_embedding(vector)
    assert unpack_embedding(None) is None


def test_what_is_written_is_read(url: str) -> None:
    with Store.open(url) as store:
        outcome = Outcome(START + 2, verdicts=[verdict(1, 1), verdict(2, 1, Decision.MATCHED)])
        store.commit(batch(update(1), update(2), outcome=outcome))
        store.commit(batch(update(1, 2, thumbnail=b"jpeg", ended=True), update(3)))
    with Store.open(url, read_only=True) as store:
        (person,) = store.identities()
        assert (person.identity, person.tracklets, person.cameras) == (1, 2, ("gate",))
        assert (person.first_seen, person.last_seen) == (START, START + 5)
        assert person.crop is not None
        assert person.crop.read_bytes() == b"jpeg"
        assert person.crop.parts[-3:] == ("2026-01-05", "gate", f"{RUN}-1-2.jpg")
        detail = store.identity(1)
        assert detail.summary == person
        assert [v.key.track for v in detail.visits] == [1, 2]
        assert [v.decision for v in detail.visits] == ["new", "matched"]
        assert math.isnan(detail.visits[0].similarity)
        assert detail.visits[1].similarity == 0.8
        rows = {row.key.track: row for row in store.tracks("gate")}
        assert rows[1].frames.tolist() == [1, 2, 3, 4, 5, 6]
        assert (rows[1].identity, rows[1].decided_at) == (1, START + 2)
        assert (rows[3].identity, rows[3].decided_at) == (None, None)
        (camera,) = store.cameras()
        assert (camera.camera, camera.runs, camera.state) == ("gate", 1, CameraState.RUNNING)
        counts = store.counts()
        assert (counts.updates, counts.tracklets, counts.identities) == (4, 3, 1)
        assert (counts.undecided, counts.duplicates, counts.missing) == (1, 0, 0)


def test_a_tracklet_without_an_embedding_cannot_be_undecided(url: str) -> None:
    with Store.open(url) as store:
        store.commit(batch(update(1, crops=0, quality=0.0, embedding=None), update(2)))
        counts = store.counts()
    assert (counts.tracklets, counts.undecided) == (2, 1)


def test_writing_again_changes_nothing(url: str) -> None:
    with Store.open(url) as store:
        for _ in range(3):
            store.commit(batch(update(1), update(1, 2)))
        assert store.counts().updates == 2


def pictured(seq: int, quality: float, track: int = 1) -> TrackletUpdate:
    picture = f"jpeg {track} {seq}".encode()
    return update(track, seq, thumbnail=picture, thumbnail_quality=quality)


def on_disk() -> set[str]:
    return {path.name for path in Path("crops").rglob("*") if path.is_file()}


def test_crops_of_a_tracklet_stay_spread_in_time(url: str) -> None:
    with Store.open(url, keep=3) as store:
        for seq in range(1, 41):
            store.commit(batch(pictured(seq, 0.9 if seq == 11 else 0.3)))
            kept = list(store.pictures())
            assert len(kept) == min(seq, 4)
            assert {crop.file.name for crop in kept} == on_disk()
    times = np.array([crop.time for crop in kept])
    assert kept[0].time == START + 2  # the first
    assert kept[-1].time == START + 40 * 3 - 1  # the last
    assert max(crop.quality for crop in kept) == 0.9  # the best
    assert np.diff(times).max() < 70
    assert kept[0].file.read_bytes() == b"jpeg 1 1"
    assert kept[0].frame == 3


def test_the_best_crop_is_that_of_the_highest_quality(url: str) -> None:
    with Store.open(url, keep=0) as store:
        store.commit(batch(pictured(1, 0.4), pictured(2, 0.8), pictured(1, 0.5, track=2)))
        store.commit(batch(pictured(3, 0.6), update(1, 4, thumbnail_quality=0.85)))
        outcome = Outcome(START, verdicts=[verdict(1, 1), verdict(2, 1, Decision.MATCHED)])
        store.commit(batch(outcome=outcome))
        (person,) = store.identities()
        assert person.crop is not None
        assert person.crop.read_bytes() == b"jpeg 1 2"
        assert on_disk() == {f"{RUN}-1-2.jpg", f"{RUN}-2-1.jpg"}


def test_a_failing_batch_leaves_no_crop_and_can_be_written_again(url: str) -> None:
    with Store.open(url, keep=2) as store:
        store.commit(batch(pictured(1, 0.3)))
        broken = Outcome(START, verdicts=[verdict(9, 5, Decision.MATCHED)])  # no such identity
        with pytest.raises(Exception, match=r"(?i)foreign key|not.null"):
            store.commit(batch(*[pictured(seq, 0.9) for seq in (2, 3, 4, 5)], outcome=broken))
        (kept,) = store.pictures()
        assert kept.file.read_bytes() == b"jpeg 1 1"  # nothing was dropped for them
        store.commit(batch(*[pictured(seq, 0.9) for seq in (2, 3, 4, 5)]))
        assert {crop.file.name for crop in store.pictures()} == on_disk()


def test_crops_written_again_change_nothing(url: str) -> None:
    with Store.open(url, keep=2) as store:
        first = batch(*[pictured(seq, 0.3) for seq in range(1, 9)])
        store.commit(first)
        kept = list(store.pictures())
        store.commit(first)
        assert list(store.pictures()) == kept
        assert on_disk() == {crop.file.name for crop in kept}


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=12),
    st.integers(0, 5),
)
def test_what_is_superfluous(values: list[tuple[float, float]], keep: int) -> None:
    times = sorted(time for time, _ in values)
    crops = [
        KeptCrop(seq, f"{seq}.jpg", time, quality)
        for seq, (time, (_, quality)) in enumerate(zip(times, values, strict=True), start=1)
    ]
    dropped = superfluous(crops, keep)
    kept = [crop for crop in crops if crop not in dropped]
    assert len(kept) == min(len(crops), keep + 1)
    assert best_of(crops) in kept
    if keep >= 2:
        assert {crops[0], crops[-1]} <= set(kept)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select(tracklets.c.id).where(tracklets.c.open), "tracklets_open"),
        (select(tracklets.c.id).where(tracklets.c.prototype), "tracklets_prototype"),
        (select(tracklets.c.id).where(tracklets.c.doubt.is_not(None)), "tracklets_by_doubt"),
        (select(identities.c.id).where(identities.c.in_gallery), "identities_in_gallery"),
        (select(identities.c.id).where(identities.c.staff), "identities_staff"),
        (select(identities.c.id).where(identities.c.watched.is_not(None)), "identities_watched"),
    ],
)
def test_a_query_for_a_few_rows_finds_them_by_their_index(
    url: str, query: Select[tuple[int]], index: str
) -> None:
    with Store.open(url) as store, store._engine.connect() as connection:
        text = str(query.compile(connection))
        if connection.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            assert [index in row.detail.split() for row in plan] == [True]
            return
        connection.exec_driver_sql("SET enable_seqscan = off")  # there is next to nothing in it
        first = connection.exec_driver_sql(f"EXPLAIN {text}").scalar()
        scan = f"(Index Only|Index|Bitmap Heap) Scan .*{index}|Bitmap Heap Scan on"
        assert re.match(scan, str(first))


def test_the_matchers_start_finds_what_is_open_by_its_index(url: str) -> None:
    asked = []
    with Store.open(url) as store:
        event.listen(
            store._engine,
            "before_cursor_execute",
            lambda _c, _u, statement, values, *_: asked.append((statement, values)),
        )
        snapshot = store.snapshot()
        assert (list(snapshot.prototypes), list(snapshot.tracklets)) == ([], [])
        queries = asked.copy()
        with store._engine.connect() as connection:
            explain = "EXPLAIN QUERY PLAN"
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET enable_seqscan = off")  # there is nothing in it
                explain = "EXPLAIN"
            plans = "".join(
                f"{row[-1]}\n"
                for statement, values in queries
                for row in connection.exec_driver_sql(f"{explain} {statement}", values)
            )
    for index in ("tracklets_open", "tracklets_prototype", "identities_in_gallery"):
        assert re.search(rf"(USING INDEX|Scan using|Index Scan on) {index}\b", plans)


def test_what_a_person_confirmed_stays_whatever_the_matcher_does(url: str) -> None:
    with Store.open(url) as store:
        outcome = Outcome(
            START, verdicts=[verdict(1, 1), verdict(2, 1, Decision.MATCHED), verdict(3, 2)]
        )
        store.commit(batch(*[pictured(1, 0.5, track) for track in (1, 2, 3)], outcome=outcome))
        assert [key.track for key in store.confirm(1, [], ADA)[1]] == [1, 2]
        moved = [verdict(2, 2, Decision.MATCHED), verdict(3, 1, Decision.MATCHED)]
        store.commit(batch(outcome=Outcome(START, verdicts=moved)))
        words = {crop.key.track: (crop.identity, crop.confirmed) for crop in store.pictures()}
        assert words == {1: (1, 1), 2: (2, 1), 3: (1, None)}
        only = TrackletKey("gate", RUN, 2)
        _, keys = store.confirm(2, [only], Said("grace", START + 1, START))
        assert keys == [only]  # the newest word holds
        words = {crop.key.track: crop.confirmed for crop in store.pictures()}
        assert words == {1: 1, 2: 2, 3: None}


def test_who_was_said_to_be_one_with_another_is_confirmed_and_nobody_else(url: str) -> None:
    one, other = (TrackletKey("gate", RUN, track) for track in (1, 2))
    with Store.open(url, keep=1) as store:
        verdicts = [verdict(1, 1), *(verdict(n, 1, Decision.MATCHED) for n in (2, 3))]
        pictures = [pictured(1, 0.5, track) for track in (1, 2, 3)]
        store.commit(batch(*pictures, outcome=Outcome(START, verdicts=verdicts)))
        for same, words in ((True, [1, 1, None]), (False, [None] * 3)):
            number = store.answer(one, other, None, ADA, same=same)
            assert [crop.confirmed for crop in store.pictures()] == words
            snapshot = store.snapshot()
            assert list(snapshot.links) == [Link(number, one, other, same)]
            assert snapshot.whose == {one: 1, other: 1}
            store.undo(number, ADA, administrator=False)
            assert [crop.confirmed for crop in store.pictures()] == [None] * 3
            assert store.snapshot().links == []
        with pytest.raises(CamtrailError, match=f"no tracklet gate/{RUN}/9"):
            store.answer(one, TrackletKey("gate", RUN, 9), None, ADA, same=True)


def test_what_cannot_be_confirmed(url: str) -> None:
    with Store.open(url) as store:
        outcome = Outcome(START, verdicts=[verdict(1, 1), verdict(2, 2)])
        store.commit(batch(update(1), update(2), outcome=outcome))
        with pytest.raises(CamtrailError, match="no identity 7; there are 1 to 2"):
            store.confirm(7, [], ADA)
        with pytest.raises(CamtrailError, match=f"gate/{RUN}/2: no tracklet of identity 1"):
            store.confirm(1, [TrackletKey("gate", RUN, 2)], ADA)


def test_skipped_messages_and_updates_are_counted(url: str) -> None:
    with Store.open(url) as store:
        store.commit(batch(update(1), update(1, 4)))
        assert store.counts().missing == 2
        run = RunState("gate", RUN, number=20, messages=13)
        store.commit(Batch([], [run], Outcome()))
        assert store.counts().missing == 7


def test_a_failing_batch_leaves_nothing(url: str) -> None:
    with Store.open(url) as store:
        store.commit(batch(update(1)))
        broken = Outcome(START, verdicts=[verdict(9, 5, Decision.MATCHED)])  # no such identity
        with pytest.raises(Exception, match=r"(?i)foreign key|not.null"):
            store.commit(batch(update(2), outcome=broken))
        assert store.counts().updates == 1
        assert store.counts().tracklets == 1


def test_a_full_disk_raises_and_leaves_nothing(sqlite_url: str) -> None:
    url = sqlite_url
    with Store.open(url) as store:
        store.commit(batch(update(1)))
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        many = [update(track, points=500) for track in range(2, 40)]
        with pytest.raises(OperationalError, match="full"):
            store.commit(batch(*many))
        assert store.counts().updates == 1
        with store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        store.commit(batch(*many))
        assert store.counts().updates == 39


def test_readers_and_the_writer_do_not_wait_for_each_other(url: str) -> None:
    with Store.open(url) as writer, Store.open(url, read_only=True) as reader:
        writer.commit(batch(*[update(track) for track in range(1, 50)]))
        rows = reader.tracks("gate")
        next(rows)  # a read transaction is open
        writer.commit(batch(update(99)))
        assert len(list(rows)) == 48  # of the time when it began
        assert reader.counts().tracklets == 50


def test_a_reader_in_another_thread(url: str) -> None:
    found: list[int] = []
    with Store.open(url) as writer:
        writer.commit(batch(update(1)))

        def read() -> None:
            with Store.open(url, read_only=True) as reader:
                found.append(reader.counts().updates)

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert found == [1]


def test_read_only_does_not_write(url: str) -> None:
    Store.open(url).close()
    with (
        Store.open(url, read_only=True) as store,
        pytest.raises(TROUBLE, match=r"readonly|read-only"),
    ):
        store.commit(batch(update(1)))


def test_an_unknown_identity_is_an_error_that_names_the_range(url: str) -> None:
    with Store.open(url) as store:
        with pytest.raises(CamtrailError, match="no identity 7; there are none yet"):
            store.identity(7)
        store.commit(batch(update(1), outcome=Outcome(START, verdicts=[verdict(1, 4)])))
        with pytest.raises(CamtrailError, match="no identity 7; there are 4 to 4"):
            store.identity(7)


def test_an_identity_that_lost_its_tracklets_is_not_listed(url: str) -> None:
    with Store.open(url) as store:
        outcome = Outcome(
            START, verdicts=[verdict(1, 1), verdict(2, 2), verdict(2, 1, Decision.MATCHED)]
        )
        outcome.retired.append(2)
        store.commit(batch(update(1), update(2), outcome=outcome))
        assert [p.identity for p in store.identities()] == [1]
        snapshot = store.snapshot()
        assert snapshot.gallery == [1]
        assert snapshot.next_identity == 3  # no number is given twice


def test_the_snapshot_holds_what_the_matcher_needs(url: str) -> None:
    with Store.open(url) as store:
        outcome = Outcome(START + 4, verdicts=[verdict(1, 1)])
        outcome.prototypes[TrackletKey("gate", RUN, 1)] = True
        outcome.closed.append(TrackletKey("gate", RUN, 1))
        store.commit(batch(update(1), update(1, 2), update(2), outcome=outcome))
        snapshot = store.snapshot()
        assert (snapshot.tick, snapshot.fingerprint) == (START + 4, "f" * 32)
        (tracklet,) = snapshot.tracklets
        assert tracklet.assignment is None
        assert [r.update.seq for r in tracklet.updates] == [1]
        (visit,) = snapshot.visits
        assert (visit.key.track, visit.identity, visit.end) == (1, 1, START + 5)
        (prototype,) = snapshot.prototypes
        assert prototype.quality == 1.0  # of the newest update
        np.testing.assert_array_equal(prototype.embedding, np.eye(8)[1])
        assert [run.number for run in snapshot.runs] == [2]


def test_unusable_stores_say_why(tmp_path: Path) -> None:
    missing = tmp_path / "none.sqlite"
    with pytest.raises(CamtrailError, match="there is no store yet"):
        Store.open(f"sqlite:///{missing}", read_only=True)
    assert not missing.exists()
    garbage = tmp_path / "garbage.sqlite"
    garbage.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(CamtrailError, match="not a database"):
        Store.open(f"sqlite:///{garbage}")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(CamtrailError, match="not of camtrail"):
        Store.open(f"sqlite:///{other}")
    later = tmp_path / "later.sqlite"
    Store.open(f"sqlite:///{later}").close()
    with sqlite3.connect(later) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(CamtrailError, match="schema version 99"):
        Store.open(f"sqlite:///{later}", read_only=True)
    with pytest.raises(CamtrailError, match="no database URL"):
        Store.open("not a url")
    with pytest.raises(CamtrailError, match="cannot be made"):
        Store.open(f"sqlite:///{garbage}/below.sqlite")


def test_a_corrupt_store_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store.open(f"sqlite:///{path}").close()
    data = bytearray(path.read_bytes())
    data[100:] = bytes(len(data) - 100)
    path.write_bytes(data)
    with pytest.raises(CamtrailError, match="malformed"):
        Store.open(f"sqlite:///{path}", read_only=True)


def test_the_writer_is_durable(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store, store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_who_has_lost_the_store_writes_nothing_more(url: str) -> None:
    with Store.open(url) as first, Store.open(url) as second:
        first.claim("host/1/a")
        first.commit(batch(update(1), outcome=Outcome(START, verdicts=[verdict(1, 1)])))
        second.claim("host/2/b")
        for write in (
            lambda: first.commit(batch(update(1, 2))),
            lambda: first.rename(1, "Ada", ADA),
            lambda: first.forget(1, ADA),
        ):
            with pytest.raises(CamtrailError, match="another matcher has taken over"):
                write()
        second.commit(batch(update(1, 2)))
        assert second.counts().updates == 2
        assert second.identity(1).summary.name is None


def test_the_gallerys_lists_are_those_of_its_encoder(url: str) -> None:
    with Store.open(url) as store:
        store.commit(batch(update(1), outcome=Outcome(START, lists="sorted so")))
        store.commit(batch(update(1, 2)))
        assert store.snapshot().lists == "sorted so"
        store.change_encoder("e" * 32)
        assert store.snapshot().lists == ""
