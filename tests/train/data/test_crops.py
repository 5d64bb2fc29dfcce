"""Training images and their augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from reid_models import InputSpec
from train.data import Crops, load_folder
from train.data.crops import another_camera

SPEC = InputSpec(height=64, width=32)


def test_images_and_labels(market: Path) -> None:
    data = load_folder(market, "m")
    crops = Crops(data.train, SPEC)
    image, label = crops[47]
    assert len(crops) == 48
    assert image.shape == (3, 64, 32)
    assert image.dtype == torch.float32
    assert (label, crops.classes) == (7, 8)
    assert crops.labels == [s.identity - 1 for s in data.train]
    assert abs(float(image.mean())) < 3  # normalised


def test_augmentation_follows_the_seed(market: Path) -> None:
    crops = Crops(load_folder(market, "m").train, SPEC)
    torch.manual_seed(1)
    first, second = crops[0][0], crops[0][0]
    torch.manual_seed(1)
    assert torch.equal(crops[0][0], first)
    assert not torch.equal(first, second)


def test_another_camera_keeps_the_order_of_brightness_and_shifts_colour() -> None:
    torch.manual_seed(2)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    seen = [another_camera(ramp)[0].astype(int) for _ in range(50)]
    assert all((np.diff(curve, axis=0) >= 0).all() for curve in seen)
    middles = np.array([curve[128] for curve in seen])
    assert middles.std(axis=0).min() > 10  # exposure, gamma and contrast
    assert (middles[:, 0] - middles[:, 2]).std() > 5  # white balance
