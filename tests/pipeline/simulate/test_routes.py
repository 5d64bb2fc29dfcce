from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.simulate.people import sample_people
from pipeline.simulate.routes import Plan, plan_site

SIZE = (640, 360)


def plan(seed: int, cameras: int = 3, people: int = 12, overlap: bool = False) -> Plan:
    return plan_site(seed, cameras, sample_people(seed, people), 60, overlap, SIZE)


@pytest.mark.parametrize("seed", range(6))
def test_walks_begin_and_end_out_of_sight_of_every_camera_of_the_place(seed: int) -> None:
    made = plan(seed, overlap=True)
    for visit in made.visits:
        place = made.places[visit.place]
        wall = place.cameras[0].view.wall
        for time in (visit.walk.start, visit.walk.end):
            for camera in place.cameras:
                here = camera.localise(visit.walk.actor(time), wall)
                u, head = camera.view.project(here.x, here.y, here.person.height)
                assert u < -5 or u > 645 or head > 350


@pytest.mark.parametrize("seed", range(6))
def test_people_move_smoothly_at_walking_speed(seed: int) -> None:
    for visit in plan(seed).visits:
        walk = visit.walk
        times = np.arange(walk.start, walk.end, 0.1)
        actors = [walk.actor(t) for t in times]
        steps = [np.hypot(b.x - a.x, b.y - a.y) for a, b in itertools.pairwise(actors)]
        assert max(steps) < 0.18  # metres in a tenth of a second
        assert 0.8 < walk.speed < 1.8
        if walk.pause:
            assert min(steps) < 1e-9
            assert min(a.effort for a in actors) < 0.1
        assert all(0 <= a.effort <= 1 for a in actors)


def test_a_stop_delays_but_does_not_lengthen_the_way() -> None:
    paused = [v.walk for s in range(8) for v in plan(s).visits if v.walk.pause]
    assert paused
    for walk in paused:
        end = walk.actor(walk.end)
        np.testing.assert_allclose((end.x, end.y), walk.points[-1], atol=1e-6)
        before = walk.start + walk.pause_at / walk.speed
        a, b = walk.actor(before + 0.01), walk.actor(before + walk.pause - 0.01)
        assert (a.x, a.y) == pytest.approx((b.x, b.y), abs=1e-9)


@pytest.mark.parametrize("overlap", [False, True])
def test_nobody_is_at_two_places_and_gaps_keep_the_windows(overlap: bool) -> None:
    for seed in range(8):
        made = plan(seed, cameras=5, overlap=overlap)
        windows = {(a, b): (low, high) for a, b, low, high in made.windows()}
        for person in made.people:
            own = [v for v in made.visits if v.walk.person is person]
            for before, after in itertools.pairwise(own):
                gap = after.walk.start - before.walk.end
                assert gap >= 3.0 - 1e-9
                if before.place != after.place:
                    pair = tuple(made.places[v.place].cameras[0].name for v in (before, after))
                    low, high = windows[pair[0], pair[1]]
                    assert low <= gap <= high


def test_density_is_that_of_a_site_and_some_come_back() -> None:
    visits, returns, lengths = [], 0, []
    for seed in range(20):
        made = plan(seed)
        for person in made.people:
            own = [v for v in made.visits if v.walk.person is person]
            visits.append(len(own))
            returns += any(a.place == b.place for a, b in itertools.pairwise(own))
            lengths += [v.walk.end - v.walk.start for v in own]
        starts = [min(v.walk.start for v in made.visits if v.walk.person is p) for p in made.people]
        assert -2 <= min(starts) < 4
        assert 30 < max(starts) < 40
    assert 2 <= np.mean(visits) <= 3.5
    assert 5 <= np.median(lengths) <= 10
    assert 5 <= returns <= 100  # of 240 people


@pytest.mark.parametrize("cameras", [1, 2, 3, 8, 16])
def test_every_place_can_be_reached(cameras: int) -> None:
    made = plan(3, cameras=cameras)
    reached, border = {0}, [0]
    while border:
        at = border.pop()
        for way in made.ways:
            if at in (way.a, way.b):
                new = {way.a, way.b} - reached
                reached |= new
                border += new
    assert reached == set(range(cameras))
    assert len({c.name for p in made.places for c in p.cameras}) == cameras


def test_people_walk_round_the_furniture() -> None:
    through = walked = 0
    for seed in range(10):
        made = plan(seed)
        for visit in made.visits:
            furniture = made.places[visit.place].cameras[0].furniture
            walked += 1
            through += any(f.holds(x, y, 0.0) for f in furniture for x, y in visit.walk.points)
    assert through <= 0.03 * walked
