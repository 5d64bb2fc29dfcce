"""Grad-CAM of a likeness, against a network whose gradient is known on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reid_models import Description, EncoderError, InputSpec, build, save_encoder
from reid_models.networks.network import Network
from train.evaluation.cam import Looker, likeness_maps


class Mean(Network):
    """The image itself as the last map, its channels' means as embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Identity()

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = images * 1.0
        return maps, maps.mean((2, 3))


def test_is_the_map_weighted_by_the_gradient_of_the_cosine() -> None:
    rng = np.random.default_rng(1)
    images, others = rng.random((2, 4, 3, 5, 2))
    found = likeness_maps(Mean(), torch.from_numpy(images), torch.from_numpy(others)).numpy()
    for image, other, likeness in zip(images, others, found, strict=True):
        x, y = image.mean((1, 2)), other.mean((1, 2))
        a, b = np.linalg.norm(x), np.linalg.norm(y)
        gradient = (y / b - (x @ y) / (a * b) * x / a) / a  # of the cosine by x
        wanted = np.maximum(np.tensordot(gradient, image, 1), 0)
        np.testing.assert_allclose(likeness, wanted / wanted.max(), atol=1e-6)


def test_leaves_the_images_alone_and_gives_zeros_for_no_likeness() -> None:
    images = torch.zeros(1, 3, 4, 4)
    assert likeness_maps(Mean(), images, torch.ones(1, 3, 4, 4)).abs().sum() == 0
    assert not images.requires_grad


@pytest.mark.parametrize("name", ["stripenet", "resnet18"])
def test_draws_over_pictures_of_any_size(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(name).eval()
    spec = InputSpec(height=64, width=32)
    file = tmp_path / "encoder.safetensors"
    save_encoder(
        file, network, Description(input=spec, dimension=network.dimension, architecture=name)
    )
    rng = np.random.default_rng(2)
    one, other = (rng.integers(0, 256, (*size, 3), np.uint8) for size in ((90, 41), (50, 33)))
    drawn = Looker(file).overlays(one, other)
    assert [image.shape for image in drawn] == [one.shape, other.shape]
    assert all(image.dtype == np.uint8 for image in drawn)
    assert (drawn[0] != one).any()


def test_an_encoder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such encoder file"):
        Looker(tmp_path / "none.safetensors")
