"""Asymmetric branches against the numbers of their document and against plain pooling."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid_models import EncoderError, build
from reid_models.pretrained import load_backbone
from tests.reid_models.networks.test_scr import bottleneck


def test_the_documents_network() -> None:
    """ResNet-50 with layer4 twice, the second of 4 bottlenecks, and a neck of 4096."""
    with torch.device("meta"):
        plain, model = build("resnet50", pooling="average"), build("asymmetric")
    assert model.dimension == 4096
    assert model.parts == 2
    layer4 = bottleneck(1024, 512, True) + 2 * bottleneck(2048, 512, False)
    weights, of_plain = (
        sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (model, plain)
    )
    assert weights == of_plain + layer4 + bottleneck(2048, 512, False) + 2048


def test_branches_pool_their_own_maps() -> None:
    torch.manual_seed(0)
    model = build("asymmetric", backbone="resnet18").eval()
    images = torch.randn(2, 3, 64, 32)
    shared = model.shared(images)
    average, maximum = model.branches
    first, second = average.stage(shared), maximum.more(maximum.stage(shared))
    features = model.features(images)
    torch.testing.assert_close(features[:, :512], first.mean((2, 3)))
    torch.testing.assert_close(features[:, 512:], second.amax((2, 3)))
    assert len(average.more) == 0
    assert len(maximum.more) == 1


def test_stripes_and_projection() -> None:
    torch.manual_seed(0)
    model = build("asymmetric", backbone="stripenet", stripes=2, dimension=24).eval()
    images = torch.randn(2, 3, 64, 32)
    _, second = model.branches
    maps = second.more(second.stage(model.shared(images)))
    halves = torch.stack([maps[:, :, :2].amax((2, 3)), maps[:, :, 2:].amax((2, 3))], dim=2)
    wanted = second.project(halves.flatten(1))
    torch.testing.assert_close(model.features(images)[:, 24:], wanted)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet18_ibn_a", "stripenet"])
def test_both_branches_start_from_public_weights(backbone: str, tmp_path: Path) -> None:
    """The blocks beyond them, which no file has, are not missed."""
    plain, model = build(backbone), build("asymmetric", backbone=backbone)
    torch.save(plain.state_dict(), tmp_path / "weights.pth")
    loaded = load_backbone(model, str(tmp_path / "weights.pth"))
    assert loaded.left == ()
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        wanted = plain.eval().maps(images)
        shared = model.eval().shared(images)
        for branch in model.branches:
            assert torch.equal(branch.stage(shared), wanted)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"backbone": "osnet_x1_0"}, "backbone must be one of resnet18, .*stripenet"),
        ({"branches": [[0, "gem"]]}, "pooling of a branch must be one of average, max"),
        ({"branches": [[5, "max"]]}, "blocks of a branch must be a whole number from 0 to 4"),
        ({"branches": []}, "branches must be 1 to 8 pairs"),
        ({"branches": [[1]]}, "branches must be 1 to 8 pairs"),
        ({"stripes": 0}, "stripes must be a whole number from 1 to 8"),
        ({"dimension": 4}, "dimension must be a whole number from 8 to 4096"),
        ({"stripes": 8}, "32768 numbers is longer than the 16384"),
    ],
)
def test_impossible_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(EncoderError, match=text), torch.device("meta"):
        build("asymmetric", **arguments)
