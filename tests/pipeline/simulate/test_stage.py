from __future__ import annotations

import numpy as np
import pytest

from pipeline.simulate.background import Furniture
from pipeline.simulate.people import sample_people
from pipeline.simulate.stage import Actor, Stage
from pipeline.simulate.view import View

VIEW = View(640, 360, mount=3.0, tilt=0.22, focal=600, near=6.0, far=12.0, wall=14.0)
ONE, TWO, *_ = sample_people(1, 4)


def stand(person: object, x: float, y: float) -> Actor:
    return Actor(person, x, y, heading=3.0, phase=0.1, effort=0.0)  # type: ignore[arg-type]


def test_a_person_alone_is_wholly_visible_at_the_projected_place() -> None:
    stage = Stage(1, "a", VIEW, [])
    frame, seen = stage.shoot([stand(ONE, 1.0, 8.0)])
    assert frame.shape == (360, 640, 3)
    assert frame.dtype == np.uint8
    assert [s.person for s in seen] == [ONE.number]
    assert seen[0].visibility == 1.0
    x1, y1, x2, y2 = seen[0].box
    foot, head = VIEW.project(1.0, 8.0), VIEW.project(1.0, 8.0, ONE.height)
    assert x1 < foot[0] < x2
    assert y2 == pytest.approx(foot[1], abs=0.1 * (y2 - y1))
    assert y1 == pytest.approx(head[1], abs=0.1 * (y2 - y1))


def test_the_nearer_person_hides_the_farther() -> None:
    stage = Stage(1, "a", VIEW, [])
    pair = [stand(ONE, 0.0, 7.0), stand(TWO, 0.15, 9.0)]
    first = {s.person: s for s in stage.shoot(pair)[1]}
    second = {s.person: s for s in stage.shoot(pair[::-1])[1]}
    assert first == second  # the order of the actors does not matter
    assert first[ONE.number].visibility == 1.0
    alone = stage.shoot([stand(TWO, 0.15, 9.0)])[1][0]
    if TWO.number in first:
        assert first[TWO.number].visibility < 0.8
        assert first[TWO.number].box == alone.box  # amodal


def test_somebody_hidden_is_not_in_the_truth() -> None:
    stage = Stage(1, "a", VIEW, [Furniture("counter", 0.0, 6.5, 2.0, 0.1, 2.2, (90, 90, 90))])
    assert stage.shoot([stand(ONE, 0.0, 8.0)])[1] == []


def test_furniture_hides_only_what_stands_behind_it() -> None:
    bench = Furniture("bench", 0.0, 8.0, 1.0, 0.2, 0.8, (90, 90, 90))
    stage = Stage(1, "a", VIEW, [bench])
    behind = stage.shoot([stand(ONE, 0.0, 9.0)])[1][0]
    before = stage.shoot([stand(ONE, 0.0, 7.0)])[1][0]
    assert 0.3 < behind.visibility < 0.95
    assert before.visibility == 1.0


def test_the_frame_cuts_boxes_and_visibility() -> None:
    stage = Stage(1, "a", VIEW, [])
    edge = VIEW.half_width(8.0)
    seen = stage.shoot([stand(ONE, edge, 8.0)])[1][0]
    assert seen.box[2] == 640
    assert 0.3 < seen.visibility < 0.7
    assert stage.shoot([stand(ONE, edge + 0.7, 8.0)])[1] == []
    assert stage.shoot([])[1] == []


def test_cameras_differ_and_repeat() -> None:
    actors = [stand(ONE, 0.0, 8.0)]
    first = Stage(1, "a", VIEW, []).shoot(actors)[0]
    np.testing.assert_array_equal(first, Stage(1, "a", VIEW, []).shoot(actors)[0])
    styles = [Stage(1, name, VIEW, []).style for name in range(12)]
    assert len({s.gamma for s in styles}) == 12
    warmth = [s.gains[2] / s.gains[0] for s in styles]
    assert max(warmth) / min(warmth) > 1.2


def test_noise_changes_from_shot_to_shot() -> None:
    stage = Stage(1, "a", VIEW, [])
    a, b = (stage.shoot([])[0].astype(int) for _ in range(2))
    c = stage.shoot([])[0].astype(int)
    assert max(np.abs(a - b).mean(), np.abs(a - c).mean()) > 0.3
    assert np.abs(a - b).mean() < 15
