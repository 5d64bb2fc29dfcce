"""The networks and how they are named."""

from __future__ import annotations

import pytest
import torch

from reid_models import EncoderError, build, names


@pytest.mark.parametrize("name", names())
def test_every_network_keeps_the_contract(name: str) -> None:
    model = build(name).eval()
    images = torch.randn(2, 3, 128, 64)
    with torch.inference_mode():
        features = model.features(images)
        assert features.shape == (2, model.dimension)
        assert torch.equal(model(images), model.neck(features))


def test_the_light_network_is_light() -> None:
    assert sum(p.numel() for p in build("stripenet").parameters()) < 1_200_000


def test_arguments_reach_the_network() -> None:
    assert build("stripenet", dimension=48).dimension == 48


def test_takes_other_sizes() -> None:
    model = build("stripenet").eval()
    assert model(torch.randn(1, 3, 256, 128)).shape == (1, 256)


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("resnet999", {}, "unknown architecture 'resnet999'; known are: stripenet"),
        ("stripenet", {"depth": 3}, "no argument 'depth'; it takes: dimension, stripes"),
        ("stripenet", {"dimension": 10**9}, "from 8 to 2048"),
        ("stripenet", {"dimension": "256"}, "from 8 to 2048"),
    ],
)
def test_bad_requests_are_explained(name: str, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(EncoderError, match=text):
        build(name, **arguments)
