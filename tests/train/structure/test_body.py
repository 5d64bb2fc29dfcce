"""Bodies drawn from eight sides, against the simulator's own figures."""

from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
import pytest

from pipeline.simulate.body import pose
from pipeline.simulate.figure import Look, draw_figure, place
from pipeline.simulate.garments import dress
from pipeline.simulate.people import sample_people
from pipeline.simulate.skeleton import joints
from train.structure.body import draw_turned, stand, turned
from train.structure.folder import TURNS
from train.structure.lift import lift

SIZE, FOOT = (128, 64), (32.0, 122.0)
PEOPLE = [  # in close-fitting clothes, with nothing in their hands
    replace(person, bag="none", hat="none", hair="short", top="shirt", bottom="trousers", girth=1.0)
    for person in sample_people(8, 2)
]


def look_at(yaw: float) -> Look:
    return Look(yaw, elevation=0.0, scale=64.0)


def body(person: int, yaw: float, phase: float = 0.2) -> np.ndarray:
    """Joints (17, 3) in an image of `SIZE`."""
    points = joints(PEOPLE[person], phase, 1.0)
    return np.array([place(point, look_at(yaw), FOOT) for point in points])


def silhouette(person: int, yaw: float, phase: float = 0.2) -> np.ndarray:
    parts = pose(PEOPLE[person], dress(PEOPLE[person]), phase, 1.0)
    sprite = draw_figure(parts, look_at(yaw), FOOT)
    whole = np.zeros((SIZE[0] + 80, SIZE[1] + 80), bool)
    height, width = sprite.alpha.shape
    whole[sprite.y + 40 : sprite.y + 40 + height, sprite.x + 40 : sprite.x + 40 + width] = (
        sprite.alpha > 127
    )
    return whole[40:-40, 40:-40]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("yaw", [0.0, 0.8, pi / 2, pi, 4.0])
@pytest.mark.parametrize("person", [0, 1])
def test_a_turned_body_is_the_person_seen_from_there(person: int, yaw: float) -> None:
    """The simulator's heading is clockwise from above, as turning to one's right is."""
    maps = draw_turned(body(person, yaw), SIZE, SIZE)
    for turn, shown in zip(TURNS, maps, strict=True):
        assert shown.shape == SIZE
        assert shown.dtype == np.uint8
        wanted = silhouette(person, yaw - np.deg2rad(turn))
        assert overlap(shown > 0, wanted) > 0.8, turn


def test_front_is_bright_and_back_dark() -> None:
    maps = draw_turned(body(0, pi), SIZE, SIZE)  # faces the camera
    means = [shown[shown > 0].mean() for shown in maps]
    assert means[0] == max(means)
    assert means[4] == min(means)
    assert means[0] > 2 * means[4]
    # turned to its left by 90 degrees it faces the image's right
    columns = maps[2].astype(float)
    left, right = columns[:, :32], columns[:, 32:]
    assert right[right > 0].mean() > left[left > 0].mean()


def test_how_it_stands() -> None:
    frame = stand(body(0, pi))
    np.testing.assert_allclose(frame.up, [0, -1, 0], atol=0.1)
    np.testing.assert_allclose(frame.left, [1, 0, 0], atol=0.1)
    np.testing.assert_allclose(frame.forward, [0, 0, 1], atol=0.1)
    assert frame.height == pytest.approx(64 * PEOPLE[0].height, rel=0.08)


def test_turning_keeps_every_length() -> None:
    points = body(1, 0.8)
    around = turned(points, stand(points), 137)
    for one in range(17):
        for other in range(17):
            before, after = (np.linalg.norm(p[one] - p[other]) for p in (points, around))
            assert after == pytest.approx(before)
    np.testing.assert_allclose(turned(points, stand(points), 360), points, atol=1e-9)


def test_maps_show_the_whole_image() -> None:
    """In another size and shape, the same body in the same place."""
    points = body(0, 0.4)
    large, small = draw_turned(points, SIZE, SIZE)[0], draw_turned(points, SIZE, (64, 64))[0]
    halved = (large > 0)[::2] | (large > 0)[1::2]
    assert overlap(small > 0, halved) > 0.9


def seen(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points[:, :2], np.ones((17, 1))], axis=1)


@pytest.mark.parametrize("yaw", np.linspace(0, 2 * pi, 8, endpoint=False))
def test_depth_is_found_again(yaw: float) -> None:
    """From the flat keypoints of people walking in all directions. Which leg is before the other
    cannot always be seen from the front."""
    means = []
    for phase in (0.05, 0.3, 0.55, 0.8):
        points = body(0, yaw, phase)
        found = lift(seen(points))
        assert found is not None
        np.testing.assert_allclose(found[5:, :2], points[5:, :2], atol=1e-9)
        assert stand(found).forward @ stand(points).forward > 0.9
        own, true = draw_turned(found, SIZE, SIZE), draw_turned(points, SIZE, SIZE)
        overlaps = [overlap(a > 0, b > 0) for a, b in zip(own, true, strict=True)]
        assert overlaps[0] > 0.9
        means.append(np.mean(overlaps))
    assert np.mean(means) > (0.85 if abs(np.cos(yaw)) < 0.1 else 0.65)


def test_what_is_hidden_hangs_down() -> None:
    points = seen(body(0, pi))
    points[[7, 9, 13, 15], 2] = 0.1  # the left arm and leg
    found = lift(points)
    assert found is not None
    assert np.isfinite(found).all()
    for upper, lower in ((5, 7), (7, 9), (11, 13), (13, 15)):
        assert found[lower, 0] == pytest.approx(found[upper, 0])
        assert found[lower, 1] > found[upper, 1]


@pytest.mark.parametrize("missing", [[5, 6], [11, 12], list(range(17))])
def test_too_little_of_a_body(missing: list[int]) -> None:
    points = seen(body(0, pi))
    points[missing, 2] = 0.0
    assert lift(points) is None


def test_a_speck_is_no_body() -> None:
    assert lift(np.array([[3.0, 3.0, 1.0]] * 17)) is None
