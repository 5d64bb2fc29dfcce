"""A camera that was moved is noticed; one that was not is left alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.matcher.placement import LATEST, Placement
from tests.pipeline.matcher.shifted import followed, walkers
from tests.pipeline.matcher.synthetic import engine
from tests.pipeline.matcher.test_ground import box

DOORS = ((40.0, 200.0), (600.0, 300.0), (320.0, 120.0))


def come_and_go(
    target: Placement,
    count: int,
    shift: float = 0.0,
    tall: float = 1.0,
    doors: tuple[float, ...] = (0.5, 0.4, 0.1),
    seed: int = 1,
) -> list[int]:
    """People at the doors, and a fifth lost anywhere; at which of them it said moved."""
    rng, found = np.random.default_rng(seed), []
    for n in range(count):
        x, y = DOORS[int(rng.choice(3, p=doors))]
        if rng.random() < 0.2:
            x, y = float(rng.uniform(0, 640)), float(rng.uniform(80, 360))
        place = box(x + shift + float(rng.normal(0, 12)), y + float(rng.normal(0, 12)))
        place[1] = place[3] - 80 * tall * float(rng.uniform(0.85, 1.15))
        if target.learn("gate", place, float(n)):
            found.append(n)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_said_of_a_camera_that_hangs_still(seed: int) -> None:
    target = Placement()
    assert come_and_go(target, 1500, seed=seed) == []
    assert target.moved == {}


def test_another_door_that_people_take_is_no_move() -> None:
    target = Placement()
    come_and_go(target, 300, doors=(0.9, 0.05, 0.05))
    assert come_and_go(target, 300, doors=(0.05, 0.05, 0.9)) == []


@pytest.mark.parametrize(("shift", "tall"), [(130.0, 1.0), (-160.0, 1.0), (0.0, 1.8), (0.0, 0.5)])
def test_one_that_was_turned_or_zoomed_is_noticed_soon(shift: float, tall: float) -> None:
    target = Placement()
    come_and_go(target, 300)
    (at,) = come_and_go(target, 200, shift, tall)
    assert at < 2 * LATEST
    assert target.moved == {"gate": float(at)}


def test_the_first_people_say_nothing() -> None:
    target = Placement()
    come_and_go(target, 30)
    assert come_and_go(target, 30, shift=200) == []


@given(st.lists(st.tuples(st.floats(-50, 700), st.floats(1, 400)), max_size=120))
def test_it_goes_on_from_its_state(places: list[tuple[float, float]]) -> None:
    target = Placement()
    for n, (x, y) in enumerate(places):
        target.learn("ab"[n % 2], box(x, y), float(n))
    again = Placement.of(json.loads(json.dumps(target.state)))
    assert again.state == target.state
    assert again.learn("a", box(9, 9), 0.0) == target.learn("a", box(9, 9), 0.0)


def test_what_was_learned_of_a_camera_that_was_moved_is_let_go() -> None:
    scripts = walkers(31)
    moved = [
        replace(
            script,
            walks=[
                replace(w, x=w.x + 400) if script.camera == "b" and w.start > 200 else w
                for w in script.walks
            ],
        )
        for script in scripts
    ]
    still, target = engine("ab"), engine("ab")
    followed(still, scripts, {})
    followed(target, moved, {})
    assert still.topology.placement.moved == {}
    assert target.topology.placement.moved.keys() == {"b"}
    doors = [door.box for door in target.topology.doors.doors() if door.camera == "b"]
    assert doors
    assert min(left for left, *_ in doors) >= 400
    seen = {(w.origin, w.destination): w.count for w in target.topology.ways.ways()}
    before = {(w.origin, w.destination): w.count for w in still.topology.ways.ways()}
    assert seen["a", "b"] < before["a", "b"]
