"""The test feature of DG-Net, and what its builder refuses."""

from __future__ import annotations

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
    save_encoder,
)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_embedding_by_hand(mirror: bool, images: torch.Tensor, lived_in) -> None:
    """Each code of length 1, summed over the mirror image, of length 1 again, the second halved."""
    arguments = {"backbone": "stripenet", "dimension": 32}
    network = lived_in(build("dgnet", **arguments, beta=0.5, mirror=mirror))
    with torch.inference_mode():
        found = network(images).double().numpy()
        views = [images, images.flip(3)] if mirror else [images]
        pairs = [[code.double().numpy() for code in network.heads(network.code(v))] for v in views]
    for row in range(2):
        halves = []
        for half in range(2):
            vectors = [pair[half][row] for pair in pairs]
            total = sum(vector / np.linalg.norm(vector) for vector in vectors)
            halves.append(total / np.linalg.norm(total))
        wanted = np.concatenate([halves[0], 0.5 * halves[1]])
        np.testing.assert_allclose(found[row], wanted, atol=1e-6)


def test_the_mirror_image_goes_through_the_encoder_file(
    tmp_path: Path, crops: list[np.ndarray], lived_in
) -> None:
    """With everything folded that the runtime folds."""
    arguments = {"backbone": "stripenet", "dimension": 32, "mirror": True}
    network = lived_in(build("dgnet", **arguments))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())
    spec = InputSpec(height=64, width=32, mean=(0, 0, 0), std=(255, 255, 255))
    described = Description(input=spec, dimension=32, architecture="dgnet", arguments=arguments)
    save_encoder(tmp_path / "e.safetensors", network, described)
    exact = [np.ascontiguousarray(np.resize(crop, (64, 32, 3))) for crop in crops]
    found = load_encoder(tmp_path / "e.safetensors", "cpu").embed(exact)
    with torch.inference_mode():
        batch = torch.from_numpy(np.stack(exact)).permute(0, 3, 1, 2) / 255
        wanted = torch.nn.functional.normalize(network(batch)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_beta_nought_leaves_the_primary_feature_alone(images: torch.Tensor, lived_in) -> None:
    network = lived_in(build("dgnet", backbone="stripenet", dimension=32, beta=0))
    with torch.inference_mode():
        assert not network(images)[:, 16:].any()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"backbone": "vgg"}, "backbone must be one of stripenet, resnet18"),
        ({"last_stride": 4}, "last_stride must be one of 1, 2"),
        ({"parts": 0}, "parts must be a whole number from 1 to 8"),
        ({"dimension": 33}, "dimension must be even, not 33"),
        ({"beta": -1}, "beta must be a number from 0 to 100, not -1"),
        ({"beta": True}, "beta must be a number"),
        ({"mirror": 1}, "mirror must be one of True, False"),
    ],
)
def test_impossible_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(EncoderError, match=text):
        build("dgnet", **arguments)
