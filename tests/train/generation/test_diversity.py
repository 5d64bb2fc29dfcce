"""SSIM within identities against the formula by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import convolve2d

from tests.train.generation.colours import plain
from train.errors import TrainError
from train.generation.diversity import intra_identity_ssim

_RNG = np.random.default_rng(8)


def noisy(level: int) -> np.ndarray:
    return (level + _RNG.integers(-40, 40, (128, 64, 3))).clip(0, 255).astype(np.uint8)


def by_hand(first: np.ndarray, second: np.ndarray) -> float:
    """Wang et al. (2004), equation 13, mean over pixels and colours."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return convolve2d(np.pad(values, 5, mode="reflect"), window, mode="valid")

    found = []
    for colour in range(3):
        x, y = first[..., colour].astype(float), second[..., colour].astype(float)
        mx, my = mean(x), mean(y)
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        value = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        found.append(value.mean())
    return float(np.mean(found))


def test_is_the_mean_over_all_pairs_of_an_identity() -> None:
    images = [noisy(60), noisy(120), noisy(180), noisy(90)]
    found = intra_identity_ssim(images, [7, 3, 7, 7])
    expected = np.mean([by_hand(images[a], images[b]) for a, b in ((0, 2), (0, 3), (2, 3))])
    assert found.pairs == 3
    assert found.ssim == pytest.approx(expected, abs=1e-5)
    assert "128 x 64" in found.protocol


def test_copies_are_alike_and_differences_lower_it() -> None:
    image = noisy(100)
    assert intra_identity_ssim([image, image], [1, 1]).ssim == pytest.approx(1, abs=1e-5)
    assert intra_identity_ssim([image, plain(100, 100, 100)], [1, 1]).ssim < 0.5


def test_pairs_are_drawn_by_the_seed_alone_and_at_most_as_many() -> None:
    images = [noisy(level) for level in range(30, 230, 20)]
    identities = [1] * 6 + [2] * 4
    first = intra_identity_ssim(images, identities, 5, seed=1)
    assert first.pairs == 10
    assert first == intra_identity_ssim(images, identities, 5, seed=1)
    assert first.ssim != intra_identity_ssim(images, identities, 5, seed=2).ssim


def test_single_images_have_no_pairs() -> None:
    with pytest.raises(TrainError, match="no identity has two images"):
        intra_identity_ssim([noisy(1), noisy(2)], [1, 2])
