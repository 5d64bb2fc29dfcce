"""What is worth telling."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.config import Site
from pipeline.notify.follow import Follower, begin
from pipeline.notify.outbox import Outbox
from pipeline.notify.sightings import Sightings
from tests.pipeline.notify.places import ABSENCE, Matcher, site_of

NAME = "webhook guard"


class Desk:
    """A follower, and what waits for its one receiver."""

    def __init__(self, site: Site) -> None:
        begin(site)
        self.outbox = Outbox(site.data_dir)
        self.sightings = Sightings(site)
        self.follower = Follower(site, self.sightings, self.outbox)

    def read(self) -> None:
        while self.follower.step(100.0):
            pass

    def close(self) -> None:
        self.outbox.close()
        self.sightings.close()

    def news(self) -> list[tuple[str, int]]:
        """Takes what is to be told."""
        self.read()
        found = []
        while waiting := self.outbox.first(NAME):
            if self.follower.review(waiting.note) is None:
                continue
            found.append((waiting.note.occasion.removeprefix("person."), waiting.note.identity))
            self.outbox.delivered(NAME, waiting.note)
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of(tmp_path)


@pytest.fixture
def desk(site: Site) -> Iterator[Desk]:
    Matcher(site)  # makes the store
    with closing(Desk(site)) as desk:
        yield desk


@pytest.fixture
def matcher(site: Site) -> Matcher:
    return Matcher(site)


def test_somebody_is_seen_and_after_an_absence_seen_again(desk: Desk, matcher: Matcher) -> None:
    matcher.see(1, 100)
    matcher.see(2, 101)
    assert desk.news() == [("seen", 1), ("seen", 2)]
    matcher.see(1, 110, camera="hall")
    assert desk.news() == []
    matcher.see(1, 115 + ABSENCE - 1)
    assert desk.news() == []
    matcher.see(1, 500)
    assert desk.news() == [("seen_again", 1)]


def test_how_long_somebody_was_not_seen(desk: Desk, matcher: Matcher) -> None:
    matcher.see(1, 100)
    matcher.see(1, 200, camera="hall")
    desk.read()
    notes = []
    while waiting := desk.outbox.first(NAME):
        notes.append((waiting.note.unseen, waiting.note.start, waiting.note.key.camera))
        desk.outbox.delivered(NAME, waiting.note)
    assert notes == [(None, 100.0, "gate"), (95.0, 200.0, "hall")]


def test_a_long_stay_is_one(desk: Desk, matcher: Matcher) -> None:
    for start in range(100, 2000, 40):
        matcher.see(1, start, 30)
    assert desk.news() == [("seen", 1)]


def test_two_cameras_at_once_are_one_sight_whichever_is_decided_first(
    desk: Desk, matcher: Matcher
) -> None:
    matcher.see(1, 102)
    earlier = matcher.see(None, 100, camera="hall")
    assert desk.news() == [("seen", 1)]
    matcher.decide(earlier, 1)
    assert desk.news() == []


def test_who_was_there_before_is_not_told_of_as_new(site: Site, matcher: Matcher) -> None:
    matcher.see(1, 100)
    with closing(Desk(site)) as desk:
        assert desk.news() == []
        matcher.see(1, 120)
        matcher.see(2, 130)
        assert desk.news() == [("seen", 2)]
        matcher.see(1, 1000)
        assert desk.news() == [("seen_again", 1)]


def test_it_can_begin_before_there_is_a_store(site: Site) -> None:
    with closing(Desk(site)) as desk:
        Matcher(site).see(1, 100)
        assert desk.news() == [("seen", 1)]


def test_who_is_watched_for_is_told_of_each_time(desk: Desk, matcher: Matcher) -> None:
    matcher.see(1, 100)
    assert desk.news() == [("seen", 1)]
    matcher.store.watch(1, "asked for at the desk", matcher.said())
    assert desk.news() == []
    matcher.see(1, 110)  # the same stay, but the first time since
    assert desk.news() == [("watched", 1)]
    matcher.see(1, 120)
    assert desk.news() == []
    matcher.see(1, 1000)
    assert desk.news() == [("seen_again", 1), ("watched", 1)]
    matcher.store.watch(1, None, matcher.said())
    matcher.see(1, 2000)
    assert desk.news() == [("seen_again", 1)]
    matcher.store.watch(1, "again", matcher.said())
    matcher.see(1, 2010)
    assert desk.news() == [("watched", 1)]


def test_old_sights_of_a_watched_person_are_no_news(desk: Desk, matcher: Matcher) -> None:
    old = matcher.see(1, 100)
    matcher.see(2, 100)
    assert desk.news() == [("seen", 1), ("seen", 2)]
    matcher.store.watch(2, "x", matcher.said())
    matcher.now = 5000
    matcher.decide(old, 2, former=1)
    assert desk.news() == []


def test_merged_meanwhile_is_told_under_the_number_that_stays(desk: Desk, matcher: Matcher) -> None:
    matcher.see(1, 100)
    assert desk.news() == [("seen", 1)]
    key = matcher.see(5, 1000)
    desk.read()  # "5 is seen" waits
    matcher.decide(key, 1, former=5)
    assert desk.news() == [("seen_again", 1)]


def test_merged_meanwhile_into_somebody_told_of_is_no_news(desk: Desk, matcher: Matcher) -> None:
    matcher.see(1, 100)
    key = matcher.see(5, 103)
    desk.read()
    matcher.decide(key, 1, former=5)
    assert desk.news() == [("seen", 1)]


def test_merged_before_it_is_read_and_between_reading_and_telling(
    desk: Desk, matcher: Matcher
) -> None:
    first = matcher.see(3, 100)
    matcher.decide(first, 2, former=3)
    second = matcher.see(7, 1000)
    desk.read()
    matcher.store.merge(2, 7, matcher.said())
    waiting = desk.outbox.first(NAME)
    assert waiting is not None
    assert (waiting.note.identity, waiting.note.occasion) == (2, "person.seen")
    desk.outbox.delivered(NAME, waiting.note)
    waiting = desk.outbox.first(NAME)
    assert waiting is not None
    assert waiting.note.key == second
    assert desk.follower.review(waiting.note) is None  # before the follower has read of it
    assert desk.news() == [("seen_again", 2)]


def test_undecided_again_is_told_of_when_it_is_decided(desk: Desk, matcher: Matcher) -> None:
    key = matcher.see(1, 100)
    desk.read()
    matcher.decide(key, None, former=1)
    assert desk.news() == []
    matcher.decide(key, 1)
    assert desk.news() == [("seen", 1)]


@pytest.mark.parametrize("read_between", [False, True])
def test_the_forgotten_are_not_told_of(
    site: Site, desk: Desk, matcher: Matcher, read_between: bool
) -> None:
    matcher.see(1, 100)
    matcher.see(2, 101)
    desk.read()
    matcher.store.forget(1, matcher.said())
    if read_between:
        desk.read()
    assert desk.news() == [("seen", 2)]
    assert people_in(site) == [2]


def test_numbers_given_again_after_forgetting_are_not_missed(desk: Desk, matcher: Matcher) -> None:
    """The database gives the numbers of the last decisions again when they are deleted."""
    matcher.see(1, 100)
    for start in range(101, 110):
        matcher.see(2, start)
    assert desk.news() == [("seen", 1), ("seen", 2)]
    matcher.store.forget(2, matcher.said())
    matcher.see(3, 120)
    matcher.see(4, 121)
    assert desk.news() == [("seen", 3), ("seen", 4)]
    matcher.see(5, 122)
    assert desk.news() == [("seen", 5)]


def test_a_restart_at_any_point_tells_all_and_nothing_else(site: Site, matcher: Matcher) -> None:
    told = []
    for number in range(1, 8):
        matcher.see(number, 100 + number)
        with closing(Desk(site)) as desk:
            if number > 1:  # the first begins, with one person there before
                told += desk.news() if number % 2 else []
            if number == 1:
                assert desk.news() == []
            desk.read()
    with closing(Desk(site)) as desk:
        told += desk.news()
    assert told == [("seen", number) for number in range(2, 8)]


def test_a_full_queue_loses_the_oldest_and_counts_them(tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:9/", "secret": "s" * 16}
    site = site_of(tmp_path, webhooks={"guard": hook}, max_queue=3)
    matcher = Matcher(site)
    with closing(Desk(site)) as desk:
        matcher.see(9, 0)
        for number in range(1, 6):
            matcher.see(number, 100 + number)
        desk.read()
        (tally,) = desk.outbox.tally([NAME])
        assert (tally.waiting, tally.delivered, tally.dropped) == (3, 0, 3)
        assert desk.news() == [("seen", 3), ("seen", 4), ("seen", 5)]
        (tally,) = desk.outbox.tally([NAME])
        assert (tally.waiting, tally.delivered, tally.dropped) == (0, 3, 3)


def test_each_receiver_gets_what_it_asked_for(tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:9/", "secret": "s" * 16}
    guard = hook | {"events": ["person.watched"]}
    site = site_of(tmp_path, webhooks={"guard": guard, "desk": hook})
    matcher = Matcher(site)
    with closing(Desk(site)) as desk:
        matcher.see(1, 100)
        desk.read()
        tallies = desk.outbox.tally(["webhook guard", "webhook desk"])
        assert [tally.waiting for tally in tallies] == [0, 1]


def test_the_outbox_does_not_grow_with_the_visits(site: Site, desk: Desk, matcher: Matcher) -> None:
    for visit in range(30):
        matcher.see(1, 100 + 1000 * visit)
        assert len(desk.news()) == 1
    assert people_in(site) == [1]


def people_in(site: Site) -> list[int]:
    """Of whom the outbox has a note, read without our own code."""
    with closing(sqlite3.connect(site.data_dir / "notify.sqlite")) as outbox:
        return [row[0] for row in outbox.execute("SELECT identity FROM notes ORDER BY id")]
