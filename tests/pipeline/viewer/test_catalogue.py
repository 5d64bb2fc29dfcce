"""The columns in memory beside the store that they follow."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from pipeline.records import Assignment, Decision, TrackletKey, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Said, Store, Verdict
from pipeline.store.connection import open_database
from pipeline.viewer import listing
from pipeline.viewer.catalogue import Catalogue, View

CAMERAS = ("gate", "hall", "lobby")
RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"

Plain = list[tuple[int, str, float, float]]  # identity, camera, start, end


def update(track: int, camera: str, start: float, end: float, seq: int = 1) -> TrackletUpdate:
    path = TrackPath.of([(end, seq, (0, 0, 10, 20))])
    return TrackletUpdate(
        camera, RUN, track, seq, start, end, path, 1, 1.0, None, "f", None, 0.0, False
    )


def verdict(update: TrackletUpdate, identity: int, known: set[int], former: int | None = None):
    decision = Decision.MATCHED if identity in known else Decision.NEW
    known.add(identity)
    assignment = Assignment(update.key, identity, decision, 0.5, 0.1, update.end)
    return Verdict(update.key, update.end, assignment, former, {"rule": "alike"})


def commit(store: Store, updates: list[TrackletUpdate], outcome: Outcome) -> None:
    store.commit(Batch([Received(u, u.end) for u in updates], [], outcome))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'camtrail.sqlite'}")


def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(open_database(f"sqlite:///{tmp_path / 'camtrail.sqlite'}", read_only=True))


def rows(view: View) -> Plain:
    return [(i, view.cameras[c], s, e) for _, i, c, s, e in view.visits.tolist()]


def random_store(store: Store, seed: int, count: int = 400) -> Plain:
    random = np.random.default_rng(seed)
    known: set[int] = set()
    updates, verdicts, plain = [], [], []
    for track in range(1, count + 1):
        camera = CAMERAS[random.integers(3)]
        start = float(random.uniform(0, 5000))
        one = update(track, camera, start, start + float(random.integers(1, 60)))
        updates.append(one)
        if random.random() < 0.9:  # the rest is undecided
            identity = int(random.integers(1, 60))
            verdicts.append(verdict(one, identity, known))
            plain.append((identity, camera, one.start, one.end))
    commit(store, updates, Outcome(verdicts=verdicts, closed=[u.key for u in updates]))
    return plain


def test_people_beside_a_plain_loop(store: Store, tmp_path: Path) -> None:
    plain = random_store(store, 1)
    view = catalogue(tmp_path).view()
    assert sorted(rows(view)) == sorted(plain)
    by_identity: defaultdict[int, Plain] = defaultdict(list)
    for row in sorted(plain, key=lambda row: row[2]):
        by_identity[row[0]].append(row)
    people = view.people
    assert people.identity.tolist() == sorted(by_identity)
    for index, identity in enumerate(people.identity.tolist()):
        own = by_identity[identity]
        assert people.first_seen[index] == own[0][2]
        assert people.last_seen[index] == max(row[3] for row in own)
        assert people.visits[index] == len(own)
        assert view.of(identity)["start"].tolist() == [row[2] for row in own]
        assert set(view.cameras_of(identity)) == {row[1] for row in own}


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_paging_beside_plain_sorting(store: Store, tmp_path: Path, limit: int) -> None:
    plain = random_store(store, 2)
    view = catalogue(tmp_path).view()
    seen = view.during("hall", 1000.0, 2000.0)
    expected = {i for i, c, s, e in plain if c == "hall" and e >= 1000 and s <= 2000}
    last = {i: max(e for j, _, _, e in plain if j == i) for i in expected}
    found, after = [], None
    while True:
        page = listing.identities(
            view, listing.Sort.LAST_SEEN, listing.Order.DESC, seen, limit, after
        )
        assert page.total == len(expected)
        found += view.people.identity[page.rows].tolist()
        after = page.next
        if after is None:
            break
    assert found == sorted(expected, key=lambda i: (last[i], i), reverse=True)


@pytest.mark.parametrize("first", CAMERAS)
@pytest.mark.parametrize("within", [30.0, 500.0, 1e9])
def test_sequels_beside_a_plain_loop(
    store: Store, tmp_path: Path, first: str, within: float
) -> None:
    plain = random_store(store, 3)
    view = catalogue(tmp_path).view()
    seen = view.during("lobby", None, None)
    found, page = listing.sequels(view, first, "lobby", within, seen, 1000, None)
    expected = []
    for identity in {row[0] for row in plain}:
        own = sorted((row for row in plain if row[0] == identity), key=lambda row: row[2])
        for index, row in enumerate(own):
            before = [other for other in own[:index] if other[1] == first]
            if row[1] == "lobby" and before and row[2] - before[-1][3] <= within:
                expected.append((identity, before[-1][3], row[2]))
    assert len(expected) > 2
    assert [(s.identity, s.left, s.came) for s in found] == sorted(expected, key=lambda e: -e[2])
    assert page.total == len(found)


def test_an_empty_store_has_nobody(store: Store, tmp_path: Path) -> None:
    view = catalogue(tmp_path).view()
    assert len(view.people.identity) == 0
    page = listing.identities(view, listing.Sort.VISITS, listing.Order.ASC, None, 5, None)
    assert (page.rows.tolist(), page.total, page.next) == ([], 0, None)
    seen = view.during("gate", None, None)
    assert listing.sequels(view, "gate", "gate", 60, seen, 5, None)[0] == []


def test_it_follows_what_is_decided_and_what_goes_on(store: Store, tmp_path: Path) -> None:
    known: set[int] = set()
    first, second = update(1, "gate", 10, 20), update(2, "lobby", 15, 25)
    commit(store, [first, second], Outcome(verdicts=[verdict(first, 1, known)]))
    own = catalogue(tmp_path)
    assert rows(own.view(0)) == [(1, "gate", 10, 20)]
    begun = own.view(0).version

    commit(store, [], Outcome(verdicts=[verdict(second, 2, known)]))
    assert rows(own.view(0)) == [(1, "gate", 10, 20), (2, "lobby", 15, 25)]
    assert own.changed(begun) == [2]

    commit(store, [update(1, "gate", 10, 30, seq=2)], Outcome())  # it goes on, undisputed
    assert rows(own.view(0))[0] == (1, "gate", 10, 30)
    assert own.changed(begun) == [1, 2]
    assert own.changed(begun + 1) == [1]

    commit(store, [], Outcome(verdicts=[verdict(second, 1, known, former=2)]))
    assert rows(own.view(0)) == [(1, "gate", 10, 30), (1, "lobby", 15, 25)]
    assert own.changed(begun + 2) == [1, 2]
    version = own.view(0).version
    assert own.view(0).version == version  # nothing new, nothing changed
    assert own.changed(version) == []
    assert own.changed(0) is None  # before it was read


def test_a_tracklet_that_is_closed_after_its_last_update_is_right(
    store: Store, tmp_path: Path
) -> None:
    one = update(1, "gate", 10, 20)
    commit(store, [one], Outcome(verdicts=[verdict(one, 1, set())]))
    own = catalogue(tmp_path)
    commit(store, [update(1, "gate", 10, 40, seq=2)], Outcome(closed=[TrackletKey("gate", RUN, 1)]))
    assert rows(own.view(0)) == [(1, "gate", 10, 40)]


def test_who_is_deleted_is_gone(store: Store, tmp_path: Path) -> None:
    random_store(store, 4, count=50)
    own = catalogue(tmp_path)
    gone = int(own.view(0).people.identity[0])
    store.forget(gone, Said("ada", 1.0, 1.0))
    assert gone not in own.view(0).people.identity
