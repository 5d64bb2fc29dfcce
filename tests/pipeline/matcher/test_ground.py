"""Doors and shared ground, learned from where and when people are seen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.matcher.company import Company
from pipeline.matcher.doors import CELL, Doors


def box(x: float, y: float) -> np.ndarray:
    """With the feet at (x, y)."""
    return np.array([x - 10, y - 80, x + 10, y], np.float32)


def test_doors_are_where_people_come_and_go() -> None:
    rng, doors = np.random.default_rng(1), Doors()
    for _ in range(100):
        doors.learn("gate", box(20 + rng.normal(0, 8), 200 + rng.normal(0, 15)), entry=True)
        doors.learn("gate", box(600 + rng.normal(0, 8), 300 + rng.normal(0, 15)), entry=False)
    for _ in range(6):  # lost somewhere in between
        doors.learn("gate", box(rng.uniform(100, 500), rng.uniform(150, 350)), entry=True)
    left, right = sorted(doors.doors(), key=lambda d: d.box)
    assert left.entries == pytest.approx(100, abs=4)
    assert left.exits == 0
    assert right.exits == pytest.approx(100, abs=4)
    assert left.box[0] <= 20 < left.box[2]
    assert left.box[1] <= 200 < left.box[3]
    assert right.box[0] <= 600 < right.box[2]


def test_each_camera_has_its_own() -> None:
    doors = Doors()
    for camera, x in (("a", 50), ("b", 500)):
        for _ in range(20):
            doors.learn(camera, box(x, 100), entry=True)
    assert [(d.camera, d.box[0]) for d in doors.doors()] == [("a", CELL), ("b", 12 * CELL)]


def test_a_camera_that_was_turned_shows_its_new_doors() -> None:
    doors = Doors()
    for x in (50, 500):
        for _ in range(9000):
            doors.learn("a", box(x, 100), entry=True)
    assert [d.box[0] // CELL for d in doors.doors()] == [12]


def test_boxes_beyond_the_frame_do_no_harm() -> None:
    doors = Doors()
    for _ in range(3):
        doors.learn("a", box(-300, -5), entry=False)
    (door,) = doors.doors()
    assert door.box == (0, 0, CELL, CELL)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 2000), st.booleans()), max_size=60))
def test_doors_go_on_from_their_state(events: list[tuple[str, float, bool]]) -> None:
    doors = Doors()
    for camera, x, entry in events:
        doors.learn(camera, box(x, x / 2), entry=entry)
    again = Doors.of(json.loads(json.dumps(doors.state)))
    assert again.state == doors.state
    assert list(again.doors()) == list(doors.doors())
    assert sum(d.entries + d.exits for d in doors.doors()) <= len(events)


def company(doubles: float, confused: float = 0.0, tracklets: int = 40) -> Company:
    """Of the tracklets in two views at once, and of those together in one, so many look alike."""
    found = Company()
    for n in range(tracklets):
        found.learn("a", "a", double=n < confused * tracklets)
    for n in range(tracklets):
        found.learn("a" if n % 2 else "b", "b" if n % 2 else "a", double=n < doubles * tracklets)
    return found


def test_shared_ground_is_found_and_other_ground_is_not() -> None:
    assert company(0.9).shared == {frozenset("ab")}
    assert company(0.1).shared == set()


def test_few_meetings_say_nothing() -> None:
    assert company(1.0, tracklets=8).shared == set()


def test_uniforms_are_not_taken_for_shared_ground() -> None:
    """Where people of one view at one time look alike, doubles in another mean nothing."""
    assert company(0.9, confused=0.8).shared == set()


def test_a_camera_that_was_moved_away_shares_no_more() -> None:
    found = company(0.9)
    for n in range(250):
        found.learn("a", "b", double=n % 20 == 0)
        if n > 200:
            assert found.shared == set()


def test_it_does_not_waver_between_the_two_lines() -> None:
    found, changes = company(0.9), 0
    for n in range(400):
        before = set(found.shared)
        found.learn("a", "b", double=n % 5 < 2)
        changes += found.shared != before
    assert changes == 0
    assert found.shared


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.booleans())))
def test_company_goes_on_from_its_state(events: list[tuple[str, str, bool]]) -> None:
    found = Company()
    for one, other, double in events:
        found.learn(one, other, double=double)
    again = Company.of(json.loads(json.dumps(found.state)))
    assert again.shared == found.shared
    assert again.tallies() == found.tallies()
