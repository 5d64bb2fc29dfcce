from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
import pytest

from pipeline.simulate.body import pose
from pipeline.simulate.figure import Look, Sprite, draw_figure
from pipeline.simulate.garments import dress
from pipeline.simulate.people import COLOURS, Person, sample_people

FRONT, BACK, RIGHTWARDS, LEFTWARDS = pi, 0.0, pi / 2, -pi / 2
PLAIN = replace(
    sample_people(2, 1)[0],
    top="shirt", pattern="plain", upper_colour="blue", bottom="trousers", lower_colour="black",
    hat="none", hair="short", hair_colour="black", bag="none", bag_colour="none", sleeve="long",
    girth=1.0, shoulders=1.0, height=1.75, skin=(241, 205, 178), seed=10,
)  # fmt: skip


def draw(person: Person, yaw: float, scale: float = 110, phase: float = 0.2, effort: float = 1.0,
         elevation: float = 0.1) -> Sprite:  # fmt: skip
    look = Look(yaw, elevation, scale)
    return draw_figure(pose(person, dress(person), phase, effort), look, (100.0, 300.0))


def share(sprite: Sprite, colour: str) -> float:
    """Of the figure, the part with the hue of a palette colour."""
    pixels = sprite.colour[sprite.alpha == 255].astype(float)
    wanted = np.array(COLOURS[colour][::-1], float)
    cosine = pixels @ wanted / (np.linalg.norm(pixels, axis=1) * np.linalg.norm(wanted) + 1e-9)
    return float(np.mean(cosine > 0.985))


def test_height_in_pixels_follows_height_and_scale() -> None:
    for height, scale in ((1.55, 60.0), (1.75, 110.0), (1.95, 40.0)):
        sprite = draw(replace(PLAIN, height=height), FRONT, scale, effort=0, elevation=0)
        rows = np.flatnonzero((sprite.alpha > 127).any(axis=1))
        assert rows[-1] - rows[0] + 1 == pytest.approx(height * scale, rel=0.06)


@pytest.mark.parametrize("phase", np.arange(0, 1, 0.125))
def test_one_foot_is_always_on_the_ground(phase: float) -> None:
    sprite = draw(PLAIN, RIGHTWARDS, phase=phase, elevation=0)
    lowest = sprite.y + np.flatnonzero((sprite.alpha > 127).any(axis=1))[-1]
    assert lowest == pytest.approx(300, abs=5)


def test_gait_moves_the_legs_and_comes_round() -> None:
    wide = draw(PLAIN, RIGHTWARDS, phase=0.25).alpha.shape[1]
    narrow = draw(PLAIN, RIGHTWARDS, effort=0).alpha.shape[1]
    assert wide > 1.5 * narrow
    first, again = draw(PLAIN, RIGHTWARDS, phase=0.3), draw(PLAIN, RIGHTWARDS, phase=1.3)
    np.testing.assert_array_equal(first.alpha, again.alpha)


def test_a_backpack_is_on_the_back() -> None:
    person = replace(PLAIN, bag="backpack", bag_colour="red")
    behind, before = share(draw(person, BACK), "red"), share(draw(person, FRONT), "red")
    assert behind > 0.1
    assert behind > 2.5 * before  # from before only the straps show
    # Walking to the right, it sticks out on the left.
    side = draw(person, RIGHTWARDS, effort=0)
    plain = draw(PLAIN, RIGHTWARDS, effort=0)
    assert side.x < plain.x - 5


def test_a_print_is_on_the_chest_and_faces_are_not_on_the_back() -> None:
    person = replace(PLAIN, pattern="open", second_colour="red")
    assert share(draw(person, FRONT), "red") > 0.04
    assert share(draw(person, BACK), "red") < 0.01

    def skin(yaw: float) -> float:
        sprite = draw(PLAIN, yaw, effort=0)
        head = sprite.colour[: sprite.colour.shape[0] // 8]
        return float(np.mean(head.min(axis=2) > 90))

    assert skin(FRONT) > 2 * skin(BACK)


@pytest.mark.parametrize("yaw", [FRONT, BACK, RIGHTWARDS, LEFTWARDS])
def test_headings_look_different(yaw: float) -> None:
    here = draw(PLAIN, yaw)
    other = draw(PLAIN, yaw + pi / 2)
    assert here.colour.shape != other.colour.shape


def test_colour_is_premultiplied_and_patterns_show() -> None:
    sprite = draw(replace(PLAIN, pattern="hoops", second_colour="white"), FRONT)
    assert np.all(sprite.colour[sprite.alpha == 0] == 0)
    plain = draw(PLAIN, FRONT)
    # Hoops change colour from row to row down the chest, a plain shirt does not.
    rows = slice(plain.colour.shape[0] // 4, plain.colour.shape[0] // 2)
    middle = plain.colour.shape[1] // 2

    def roughness(s: Sprite) -> float:
        return float(np.abs(np.diff(s.colour[rows, middle].astype(float).sum(axis=1))).mean())

    assert roughness(sprite) > 3 * roughness(plain)


def test_small_and_large_drawings_agree() -> None:
    """Figures are supersampled when small; both ways give the same silhouette."""
    small, large = draw(PLAIN, FRONT, 79.0, effort=0), draw(PLAIN, FRONT, 81.0, effort=0)
    area = np.count_nonzero(large.alpha > 127) / np.count_nonzero(small.alpha > 127)
    assert area == pytest.approx((81 / 79) ** 2, rel=0.04)
