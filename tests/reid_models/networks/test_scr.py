"""SCR against the numbers of its document and against plain arithmetic."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torchvision import models

from reid_models import build

THREE = ((1, 1), (2, 2), (3, 3))


def conv(inputs: int, outputs: int, kernel: int) -> int:
    """Weights of a convolution without bias and the two vectors of its batch norm."""
    return inputs * outputs * kernel**2 + 2 * outputs


def bottleneck(inputs: int, middle: int, projects: bool) -> int:
    outputs = 4 * middle
    body = conv(inputs, middle, 1) + conv(middle, middle, 3) + conv(middle, outputs, 1)
    return body + (conv(inputs, outputs, 1) if projects else 0)


def specified_weights(branches: tuple[tuple[int, int], ...]) -> int:
    """Of the document's figure 3.3: ResNet-50, all after conv4_1 in each branch, and for each
    vector a 1 x 1 convolution to 256 and batch norm; without classifiers."""
    conv2 = bottleneck(64, 64, True) + 2 * bottleneck(256, 64, False)
    conv3 = bottleneck(256, 128, True) + 3 * bottleneck(512, 128, False)
    conv4_1 = bottleneck(512, 256, True)
    rest_of_conv4 = 5 * bottleneck(1024, 256, False)
    conv5 = bottleneck(1024, 512, True) + 2 * bottleneck(2048, 512, False)
    total = conv(3, 64, 7) + conv2 + conv3 + conv4_1
    for stripes, groups in branches:
        total += rest_of_conv4 + conv5 + 2048 * 256 + 2 * 256
        total += stripes * (2048 * 256 + 2 * 256) if stripes > 1 else 0
        total += 2048 * 256 + groups * 2 * 256 if groups > 1 else 0
    return total


def test_has_thirteen_heads_and_the_specified_weights() -> None:
    with torch.device("meta"):
        model = build("scr")
    assert (model.parts, model.globals_, model.part_dimension) == (13, 3, 256)
    assert model.dimension == 3328
    assert model.neck.num_features == 3328
    heads = [reduce.in_features for branch in model.branches for reduce in branch.reduce]
    whole, half, thirds = [2048], [1024, 1024], [683, 683, 682]
    assert heads == whole + whole * 3 + half + whole * 4 + thirds
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert weights == specified_weights(THREE) == 69_858_880


@pytest.mark.parametrize(
    ("branches", "vectors"),
    [  # tables 3.2 and 3.3
        (((1, 1),), 1),
        (((2, 2),), 5),
        (((3, 3),), 7),
        (((1, 1), (2, 2)), 6),
        (((1, 1), (2, 1), (3, 1)), 8),
        (((1, 1), (1, 2), (1, 3)), 8),
    ],
)
def test_the_ablations_have_the_specified_weights(
    branches: tuple[tuple[int, int], ...], vectors: int
) -> None:
    with torch.device("meta"):
        model = build("scr", branches=branches)
    assert (model.parts, model.dimension) == (vectors, 256 * vectors)
    assert model.globals_ == len(branches)
    assert sum(p.numel() for p in model.parameters()) == specified_weights(branches)


def test_conv4_1_is_the_last_that_is_shared() -> None:
    with torch.device("meta"):
        model = build("scr")
    assert {n[:8] for n in model.shared.state_dict() if n >= "layer3"} == {"layer3.0"}
    for branch in model.branches:
        own = {name[:8] for name in branch.trunk.state_dict()}
        assert own == {f"layer3.{i}" for i in range(1, 6)} | {f"layer4.{i}" for i in range(3)}


def test_branches_start_alike_and_go_their_own_ways() -> None:
    model = build("scr", backbone="resnet18")
    first, second = (branch.trunk.layer4[0].conv1.weight for branch in model.branches[:2])
    assert torch.equal(first, second)
    with torch.no_grad():
        first.add_(1)
    assert not torch.equal(first, second)


@torch.inference_mode()
def test_vectors_by_hand(lived_in) -> None:
    """Each of the 13, by loops over the map of torchvision's network with last stride 1."""
    reference = lived_in(models.resnet18(weights=None))
    model = lived_in(build("scr", backbone="resnet18", part_dimension=16))
    for _, part in model.backbone_parts():
        missing, _ = part.load_state_dict(reference.state_dict(), strict=False)
        assert missing == []
    first = reference.layer4[0]
    first.conv1.stride = first.downsample[0].stride = (1, 1)
    x = torch.randn(2, 3, 96, 48)
    caught = []
    reference.avgpool.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    reference(x)
    maps = caught[0].numpy()
    assert maps.shape == (2, 512, 6, 3)
    torch.testing.assert_close(model.maps(x), caught[0])

    def largest(values: np.ndarray) -> np.ndarray:
        return values.reshape(*values.shape[:2], -1).max(axis=2)

    whole, local = [], []
    for branch, (stripes, groups) in zip(model.branches, THREE, strict=True):
        pooled = [largest(maps)]
        if stripes > 1:
            high = 6 // stripes
            pooled += [largest(maps[:, :, i * high : (i + 1) * high]) for i in range(stripes)]
        if groups > 1:
            bounds = {2: [0, 256, 512], 3: [0, 171, 342, 512]}[groups]
            pooled += [largest(maps[:, a:b]) for a, b in pairwise(bounds)]
        vectors = [p @ r.weight.numpy().T for p, r in zip(pooled, branch.reduce, strict=True)]
        whole.append(vectors[0])
        local += vectors[1:]
    wanted = np.stack(whole + local, axis=1)  # (2, 13, 16)
    features = model.features(x)
    found = features.view(2, model.parts, model.part_dimension).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    n = model.neck
    normal = (features - n.running_mean) / (n.running_var + 1e-5).sqrt() * n.weight + n.bias
    torch.testing.assert_close(model(x), normal)


@torch.inference_mode()
def test_takes_maps_that_the_stripes_do_not_divide() -> None:
    model = build("scr", backbone="resnet18", branches=[[3, 1]], part_dimension=8).eval()
    for height in (32, 64, 112):
        assert model(torch.randn(2, 3, height, 32)).shape == (2, 4 * 8)


def test_attention_is_in_every_block() -> None:
    with torch.device("meta"):
        model = build("scr", branches=[[1, 1]], attention="se")
    names = [n for n in model.state_dict() if n.endswith(".se.fc1.weight")]
    assert len(names) == 3 + 4 + 6 + 3
