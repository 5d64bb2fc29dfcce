from __future__ import annotations

import numpy as np

from pipeline.camera.picture import FROZEN_SECONDS, PictureCheck

RNG = np.random.default_rng(0)


def test_identical_pictures_are_frozen_after_a_while_and_thaw() -> None:
    check = PictureCheck()
    still = RNG.integers(0, 256, (480, 640, 3), np.uint8)
    assert check.look(still, 100) == ""
    assert check.look(still, 100 + FROZEN_SECONDS - 0.1) == ""
    assert check.look(still, 100 + FROZEN_SECONDS) == "frozen"
    assert check.look(RNG.integers(0, 256, (480, 640, 3), np.uint8), 120) == ""
    assert check.look(still, 121) == ""


def test_a_still_scene_with_noise_is_not_frozen() -> None:
    check = PictureCheck()
    scene = RNG.integers(20, 200, (480, 640, 3))
    pictures = [(scene + RNG.integers(-2, 3, scene.shape)).astype(np.uint8) for _ in range(5)]
    assert [check.look(picture, 10.0 * n) for n, picture in enumerate(pictures)] == [""] * 5


def test_black_but_not_night() -> None:
    check = PictureCheck()
    dark = RNG.integers(0, 12, (480, 640, 3), np.uint8)
    assert check.look(dark, 0) == "black"
    dark[200:300, 300:400] = 220  # a lamp
    assert check.look(dark, 1) == ""


def test_a_tiny_picture_does_no_harm() -> None:
    assert PictureCheck().look(np.full((2, 3, 3), 90, np.uint8), 0) == ""
