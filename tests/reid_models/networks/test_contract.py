"""What holds for every network, and how networks are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_models import (
    Description,
    EncoderError,
    InputSpec,
    build,
    load_encoder,
    names,
    save_encoder,
)
from reid_models.networks.network import Network


@pytest.mark.parametrize("name", names())
def test_every_network_keeps_the_contract(name: str, images: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = build(name).eval()
    assert isinstance(model, Network)
    with torch.inference_mode():
        maps, features = model.maps(images), model.features(images)
        assert maps.ndim == 4
        assert maps.shape[0] == 2
        assert maps.min() >= 0
        assert features.shape == (2, model.dimension)
        assert torch.equal(model(images), model.neck(features))
    maps, features = model.train().maps_and_features(torch.randn(4, 3, 64, 32))
    maps.retain_grad()
    embeddings = model.neck(features)
    (embeddings * torch.randn(embeddings.shape)).sum().backward()
    assert maps.grad.abs().max() > 0  # as Grad-CAM needs it
    trained = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    assert [key for key, grad in trained.items() if grad is None] == []
    assert [key for key, grad in trained.items() if not torch.isfinite(grad).all()] == []


@pytest.mark.parametrize("name", names())
def test_every_network_goes_through_the_encoder_file(
    name: str, tmp_path: Path, crops: list[np.ndarray], lived_in
) -> None:
    """What the runtime gives, batch norm folded, is what the plain network gives."""
    torch.manual_seed(0)
    model = lived_in(build(name))
    spec = InputSpec(height=64, width=32, mean=(0, 0, 0), std=(255, 255, 255))
    path = tmp_path / "encoder.safetensors"
    description = Description(input=spec, dimension=model.dimension, architecture=name)
    save_encoder(path, model, description)
    exact = [np.ascontiguousarray(np.resize(crop, (64, 32, 3))) for crop in crops]
    found = load_encoder(path, "cpu").embed(exact)
    with torch.inference_mode():
        for parameter in model.parameters():
            if parameter.ndim >= 2:  # stored in half precision
                parameter.copy_(parameter.half())
        batch = torch.from_numpy(np.stack(exact)).permute(0, 3, 1, 2) / 255
        wanted = torch.nn.functional.normalize(model(batch)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("stripenet", {"dimension": 48}),
        ("resnet18", {"dimension": 48, "last_stride": 2, "pooling": "average+max"}),
        ("densenet121", {"dimension": 48, "last_stride": 2, "pooling": "max"}),
        ("osnet_x0_25", {"dimension": 48, "pooling": "gem"}),
        ("osnet_x0_25", {"dimension": None}),
        ("scr", {"backbone": "resnet18_ibn_a", "branches": [[1, 2], [3, 1]], "attention": "se"}),
    ],
)
def test_arguments_go_through_the_encoder_file(
    name: str, arguments: dict[str, object], tmp_path: Path, crops: list[np.ndarray]
) -> None:
    model = build(name, **arguments)
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=model.dimension,
        architecture=name,
        arguments=arguments,
    )
    save_encoder(tmp_path / "e.safetensors", model, description)
    found = load_encoder(tmp_path / "e.safetensors", "cpu").embed(crops)
    assert found.shape == (len(crops), model.dimension)
    assert model.dimension == arguments.get("dimension") or name in ("osnet_x0_25", "scr")


def test_the_light_network_is_light() -> None:
    assert sum(p.numel() for p in build("stripenet").parameters()) < 1_200_000


def test_takes_other_sizes() -> None:
    model = build("stripenet").eval()
    assert model(torch.randn(1, 3, 256, 128)).shape == (1, 256)


def test_torchvision_is_not_loaded_where_it_is_not_needed() -> None:
    """It takes seconds and much memory, and every camera's process loads an encoder."""
    code = (
        "import sys, reid_models; reid_models.build('stripenet'); reid_models.names(); "
        "sys.exit('torchvision' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("resnet999", {}, "unknown architecture 'resnet999'; known are: asymmetric, densenet121"),
        ("stripenet", {"depth": 3}, "no argument 'depth'; it takes: dimension, stripes"),
        ("resnet50", {"name": "resnet18"}, "'name'; it takes: dimension, last_stride, pooling"),
        ("stripenet", {"dimension": 10**9}, "whole number from 8 to 2048"),
        ("stripenet", {"dimension": "256"}, "dimension must be .* not '256'"),
        ("stripenet", {"stripes": True}, "stripes must be .* not True"),
        ("resnet18", {"dimension": 4}, "resnet18: dimension must be .* 8 to 4096"),
        ("resnet18", {"last_stride": 3}, "last_stride must be one of 1, 2, not 3"),
        ("resnet18", {"pooling": "mean"}, "one of average, max, average.max, gem, not 'mean'"),
        ("resnet18", {"pooling": ["gem"]}, "pooling must be one of"),
        ("densenet121", {"last_stride": 0}, "densenet121: last_stride"),
        ("osnet_x0_25", {"pooling": ""}, "osnet_x0_25: pooling"),
        ("osnet_x0_25", {"scale": 2.0}, "no argument 'scale'"),
        ("scr", {"backbone": "vgg16"}, "scr: backbone must be one of resnet18, "),
        ("scr", {"attention": "cbam"}, "scr: attention must be one of none, se"),
        ("scr", {"part_dimension": 0}, "scr: part_dimension"),
        ("scr", {"branches": []}, "1 to 8 pairs"),
        ("scr", {"branches": "p1"}, "1 to 8 pairs"),
        ("scr", {"branches": [[1, 1, 1]]}, "1 to 8 pairs"),
        ("scr", {"branches": [[1, 9]]}, "groups of a branch must be .* from 1 to 8, not 9"),
        ("scr", {"branches": [[0, 1]]}, "stripes of a branch"),
        ("scr", {"branches": [[1.5, 1]]}, "stripes of a branch"),
        (
            "scr",
            {"backbone": "resnet18", "branches": [[8, 8]], "part_dimension": 2048},
            "17 vectors of 2048 numbers are longer than the 16384",
        ),
    ],
)
def test_bad_requests_are_explained(name: str, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(EncoderError, match=text):
        build(name, **arguments)
