"""What is done to training images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from reid_models import InputSpec
from train.data import Augmentation, Transform
from train.data.transforms import another_camera

SPEC = InputSpec(height=32, width=16)
RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (32, 16, 3), dtype=np.uint8)


def pixels(tensor: Tensor) -> np.ndarray:
    """H x W x 3 on the scale 0-255 again."""
    return tensor.numpy().transpose(1, 2, 0) * np.array(SPEC.std) + np.array(SPEC.mean)


def many(augmentation: Augmentation, image: np.ndarray = IMAGE, times: int = 40) -> list:
    torch.manual_seed(5)
    transform = Transform(augmentation, SPEC)
    return [pixels(transform(image)) for _ in range(times)]


def test_without_changes_it_is_the_normalised_image() -> None:
    tensor = Transform(Augmentation(), SPEC)(IMAGE)
    expected = (IMAGE.astype(np.float64) - SPEC.mean) / SPEC.std
    assert tensor.dtype == torch.float32
    assert np.abs(tensor.numpy().transpose(1, 2, 0) - expected).max() < 1e-5


def test_an_image_of_another_size_is_resized_as_for_inference() -> None:
    from reid_models.preprocess import to_batch

    image = RNG.integers(0, 256, (71, 40, 3), dtype=np.uint8)
    tensor = Transform(Augmentation(), SPEC)(image)
    assert np.abs(tensor.numpy().transpose(1, 2, 0) - to_batch([image], SPEC)[0]).max() < 1e-5


def test_mirror_comes_as_often_as_asked() -> None:
    (always,) = many(Augmentation(mirror=1.0), times=1)
    assert np.abs(always - IMAGE[:, ::-1]).max() < 1e-2
    seen = [np.abs(image - IMAGE).max() > 1 for image in many(Augmentation(mirror=0.3), times=300)]
    assert 0.2 < np.mean(seen) < 0.4


def test_pad_cuts_a_window_out_of_the_padded_image() -> None:
    padded = np.pad(IMAGE.astype(float), ((4, 4), (4, 4), (0, 0)))
    corners = set()
    for image in many(Augmentation(pad=4)):
        fits = [
            (y, x)
            for y in range(9)
            for x in range(9)
            if np.abs(padded[y : y + 32, x : x + 16] - image).max() < 1e-2
        ]
        assert len(fits) == 1
        corners.add(fits[0])
    assert len(corners) > 15


def test_shift_and_zoom_stay_within_their_bounds() -> None:
    block = np.zeros((32, 16, 3), np.uint8)
    block[12:20, 4:12] = 255
    rows = np.arange(32)[:, None]
    heights, sizes = [], []
    for image in many(Augmentation(shift=0.25), block):
        heights.append((image[..., 0] * rows).sum() / image[..., 0].sum())
    for image in many(Augmentation(zoom=0.3), block, times=100):
        sizes.append(np.sqrt(image[..., 0].sum() / 255 / 64))
    assert max(abs(height - 15.5) for height in heights) <= 8.5
    assert np.ptp(heights) > 8
    assert 0.6 < min(sizes) < 0.85
    assert 1.15 < max(sizes) < 1.4


def test_rotate_turns_the_picture() -> None:
    column = np.zeros((32, 16, 3), np.uint8)
    column[:, 7:9] = 255
    spans = [np.ptp(np.nonzero(i[..., 0] > 100)[1]) for i in many(Augmentation(rotate=20), column)]
    assert max(spans) >= 7  # at 20 degrees: 32 * tan(20 degrees) = 11.6 columns
    assert min(spans) <= 2


def test_erase_sets_a_rectangle_to_the_mean() -> None:
    shares = []
    for image in many(Augmentation(erase=1.0, erase_area=(0.1, 0.3))):
        gone = np.abs(image - np.array(SPEC.mean)).max(axis=2) < 1e-3
        ys, xs = np.nonzero(gone)
        assert gone[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()
        shares.append(gone.mean())
    assert min(shares) > 0.07
    assert max(shares) < 0.33


def test_blur_and_colour() -> None:
    (blurred,) = many(Augmentation(blur=1.0), times=1)
    assert np.diff(blurred, axis=0).std() < 0.8 * np.diff(IMAGE.astype(float), axis=0).std()
    for change in ({"brightness": 0.5}, {"contrast": 0.5}, {"saturation": 0.5}, {"hue": 0.3}):
        images = many(Augmentation(**change), times=10)
        assert np.std(images, axis=0).mean() > 3
    for grey in many(Augmentation(saturation=1.0), np.repeat(IMAGE[..., :1], 3, 2), times=5):
        assert np.ptp(grey, axis=2).max() < 1e-2  # saturation leaves grey alone


def test_another_camera_keeps_the_order_of_brightness_and_shifts_colour() -> None:
    torch.manual_seed(2)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    seen = [another_camera(ramp)[0].astype(int) for _ in range(50)]
    assert all((np.diff(curve, axis=0) >= 0).all() for curve in seen)
    middles = np.array([curve[128] for curve in seen])
    assert middles.std(axis=0).min() > 10  # exposure, gamma and contrast
    assert (middles[:, 0] - middles[:, 2]).std() > 5  # white balance
    changed = [np.abs(i - IMAGE).max() > 1 for i in many(Augmentation(another_camera=0.5))]
    assert 0.2 < np.mean(changed) < 0.8


@pytest.mark.parametrize(
    "values",
    [
        {"mirror": 1.5},
        {"pad": -1},
        {"zoom": 1.0},
        {"hue": 0.6},
        {"erase_area": (0.4, 0.2)},
        {"erase_area": (0.0, 0.2)},
        {"flip": 0.5},
        {"blur": float("nan")},
    ],
)
def test_impossible_values(values: dict) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate(values)
