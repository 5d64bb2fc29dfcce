from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.camera.crops import (
    KEPT_HEIGHT,
    Crop,
    CropJudge,
    coverage,
    laplacian_variance,
    thumbnail,
)
from pipeline.records import FloatArray, Image

SIDE = st.integers(0, 60)


def scene(height: int = 480, width: int = 640) -> Image:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def boxes(*corners: tuple[float, float, float, float]) -> FloatArray:
    return np.array(corners, np.float32).reshape(-1, 4)


def rate(*corners: tuple[float, float, float, float]) -> tuple[list[float], list[bool]]:
    people = boxes(*corners)
    judge = CropJudge(config.Crops())
    quality, good = judge.rate(scene(), people, np.ones(len(people), np.float32), people)
    return quality.tolist(), good.tolist()


def test_a_whole_free_near_person_is_best() -> None:
    quality, good = rate((100, 100, 200, 360))
    assert quality == [1.0]
    assert good == [True]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 100, 80, 300), 0.5),  # cut on the left
        ((600, 100, 639.5, 300), 0.5),
        ((100, 300, 180, 480), 0.5),  # feet below the frame
        ((100, 0, 180, 200), 0.5),
        ((100, 100, 220, 230), 0.5),  # not upright
        ((100, 100, 110, 131), 31 / 128),  # too small
    ],
)
def test_what_is_cut_or_small_is_not_good(
    box: tuple[float, float, float, float], expected: float
) -> None:
    quality, good = rate(box)
    assert quality == pytest.approx([expected])
    assert good == [False]


def test_the_nearer_person_hides_the_farther() -> None:
    near, far = (100, 120, 160, 300), (120, 100, 180, 280)
    quality, good = rate(near, far)
    assert quality[0] == 1
    assert good[0]
    assert quality[1] == pytest.approx(1 - (40 * 160) / (60 * 180))
    assert not good[1]  # covered by more than a half


@given(st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), min_size=1, max_size=5))
def test_coverage_against_counting_pixels(corners: list[tuple[int, int, int, int]]) -> None:
    people = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d in corners]
    found = coverage(boxes(*people), boxes(*people))
    for index, (x1, y1, x2, y2) in enumerate(people):
        wanted = 0.0
        for a, b, c, d in people:
            if d > y2:
                inside = [
                    (x, y)
                    for x in range(max(x1, a), min(x2, c))
                    for y in range(max(y1, b), min(y2, d))
                ]
                wanted += len(inside) / ((x2 - x1) * (y2 - y1))
        assert found[index] == pytest.approx(min(wanted, 1), abs=1e-5)


def test_blur_lowers_the_quality() -> None:
    judge = CropJudge(config.Crops())
    sharp = scene()
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.uint8)
    box = (100.0, 100.0, 200.0, 360.0)
    for _ in range(5):
        assert judge.cut(sharp, box, 0.8, True).quality == pytest.approx(0.8)
    assert judge.cut(blurred, box, 0.8, True).quality < 0.4
    assert laplacian_variance(blurred) < laplacian_variance(sharp)


def test_a_crop_is_the_box_within_the_frame() -> None:
    judge = CropJudge(config.Crops())
    image = scene()
    crop = judge.cut(image, (-5, 100.4, 60.2, 300.6), 0.5, False)
    np.testing.assert_array_equal(crop.image, image[100:301, 0:60])
    image[:] = 0  # the crop is its own: the frame may go
    assert crop.image.any()
    assert judge.cut(image, (700, 500, 720, 520), 0.1, False).image.size > 0


def test_a_huge_crop_is_kept_smaller() -> None:
    crop = CropJudge(config.Crops()).cut(scene(2000, 1000), (100, 100, 900, 1900), 1, True)
    assert crop.image.shape == (KEPT_HEIGHT, round(800 * KEPT_HEIGHT / 1800), 3)


def test_thumbnails_are_small_jpegs_of_the_crop() -> None:
    picture = np.full((800, 300, 3), (200, 100, 50), np.uint8)
    data = thumbnail(Crop(picture, 1.0, True), config.Privacy())
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    assert read.shape == (256, 96, 3)
    np.testing.assert_allclose(read.mean((0, 1)), [200, 100, 50], atol=2)


def test_nobody_is_no_trouble() -> None:
    assert rate() == ([], [])
