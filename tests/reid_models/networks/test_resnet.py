"""ResNet against torchvision's, and what is added to it against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from reid_models import build
from reid_models.networks.attention import ChannelAttention
from reid_models.networks.resnet import InstanceBatchNorm, resnet_trunk


def torchvision_maps(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The last map of a torchvision ResNet, caught on its way to the pooling."""
    caught = []
    hook = network.avgpool.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    network(images)
    hook.remove()
    return caught[0]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet101"])
@torch.inference_mode()
def test_is_torchvisions_network(name: str, images: torch.Tensor, lived_in) -> None:
    reference = lived_in(models.get_model(name, weights=None))
    ours = build(name, last_stride=2, pooling="average").eval()
    missing, unexpected = ours.trunk.load_state_dict(reference.state_dict(), strict=False)
    assert missing == []
    assert unexpected == ["fc.weight", "fc.bias"]
    assert torch.equal(ours.maps(images), torchvision_maps(reference, images))
    torch.testing.assert_close(reference.fc(ours.features(images)), reference(images))
    assert ours.dimension == reference.fc.in_features


@pytest.mark.parametrize(("name", "strided"), [("resnet18", "conv1"), ("resnet50", "conv2")])
@torch.inference_mode()
def test_last_stride_one_changes_the_stride_only(
    name: str, strided: str, images: torch.Tensor, lived_in
) -> None:
    reference = lived_in(models.get_model(name, weights=None))
    ours = build(name).eval()
    ours.trunk.load_state_dict(reference.state_dict(), strict=False)
    first = reference.layer4[0]
    getattr(first, strided).stride = first.downsample[0].stride = (1, 1)
    maps = ours.maps(images)
    assert maps.shape[2:] == (4, 2)
    assert torch.equal(maps, torchvision_maps(reference, images))


def naive_instance_batch_norm(x: np.ndarray, state: dict[str, torch.Tensor]) -> np.ndarray:
    """Instance norm for the first half of the channels, the running batch norm for the rest."""
    out = np.empty_like(x)
    half = x.shape[1] // 2
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            if c < half:
                kind, at = "IN", c
                mean, variance = x[i, c].mean(), x[i, c].var()
            else:
                kind, at = "BN", c - half
                mean = state["BN.running_mean"][at].item()
                variance = state["BN.running_var"][at].item()
            normal = (x[i, c] - mean) / np.sqrt(variance + 1e-5)
            out[i, c] = (
                state[f"{kind}.weight"][at].item() * normal + state[f"{kind}.bias"][at].item()
            )
    return out


@pytest.mark.parametrize("channels", [8, 7])
@torch.inference_mode()
def test_instance_batch_norm(channels: int, lived_in) -> None:
    norm = lived_in(InstanceBatchNorm(channels)).double()
    x = torch.randn(3, channels, 5, 4).double()
    wanted = naive_instance_batch_norm(x.numpy(), norm.state_dict())
    np.testing.assert_allclose(norm(x).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "blocks", "norms"),
    [
        ("resnet18_ibn_a", 2 + 2 + 2, "bn1 bn2"),
        ("resnet50_ibn_a", 3 + 4 + 6, "bn1 bn2 bn3"),
        ("resnet101_ibn_a", 3 + 4 + 23, "bn1 bn2 bn3"),
    ],
)
def test_ibn_stands_where_ibn_net_has_it(name: str, blocks: int, norms: str) -> None:
    """With the names of the public files: of IN and BN in the first norms of layers 1 to 3."""
    with torch.device("meta"):
        names = build(name).trunk.state_dict().keys()
        plain = models.get_model(name.removesuffix("_ibn_a"), weights=None).state_dict().keys()
    added = [n for n in names if ".bn1.IN.weight" in n]
    assert len(added) == blocks
    assert {n.split(".")[0] for n in added} == {"layer1", "layer2", "layer3"}
    assert {"layer1.0.bn1.IN.weight", "layer1.0.bn1.BN.weight"} <= names
    assert {"bn1.weight", "layer4.0.bn1.weight"} <= names
    replaced = {n.replace(".IN.", ".").replace(".BN.", ".") for n in names}
    assert replaced == {n for n in plain if not n.startswith("fc.")}


@torch.inference_mode()
def test_ibn_network_by_hand(images: torch.Tensor, lived_in) -> None:
    """The whole of ResNet-18-IBN-a, written out."""
    model = lived_in(build("resnet18_ibn_a")).double()
    s = model.trunk.state_dict()

    def norm(x: torch.Tensor, at: str) -> torch.Tensor:
        if f"{at}.IN.weight" in s:
            inner = {k.removeprefix(f"{at}."): v for k, v in s.items() if k.startswith(f"{at}.")}
            return torch.from_numpy(naive_instance_batch_norm(x.numpy(), inner))
        mean, var = s[f"{at}.running_mean"], s[f"{at}.running_var"]
        return F.batch_norm(x, mean, var, s[f"{at}.weight"], s[f"{at}.bias"])

    x = F.conv2d(images.double(), s["conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(norm(x, "bn1").relu(), 3, 2, 1)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            at = f"layer{layer}.{block}"
            stride = 2 if block == 0 and layer in (2, 3) else 1
            y = F.conv2d(x, s[f"{at}.conv1.weight"], stride=stride, padding=1)
            y = norm(y, f"{at}.bn1").relu()
            y = norm(F.conv2d(y, s[f"{at}.conv2.weight"], padding=1), f"{at}.bn2")
            if f"{at}.downsample.0.weight" in s:
                x = F.conv2d(x, s[f"{at}.downsample.0.weight"], stride=stride)
                x = norm(x, f"{at}.downsample.1")
            x = (x + y).relu()
    torch.testing.assert_close(model.maps(images.double()), x, rtol=1e-10, atol=1e-10)


@torch.inference_mode()
def test_channel_attention_by_hand() -> None:
    attention = ChannelAttention(32).double()
    maps = torch.randn(2, 32, 3, 2).double()
    state = {key: value.numpy() for key, value in attention.state_dict().items()}
    assert state["fc1.weight"].shape == (2, 32, 1, 1)
    for image, found in zip(maps.numpy(), attention(maps).numpy(), strict=True):
        mean = image.mean(axis=(1, 2))
        hidden = np.maximum(state["fc1.weight"][:, :, 0, 0] @ mean + state["fc1.bias"], 0)
        gate = 1 / (1 + np.exp(-(state["fc2.weight"][:, :, 0, 0] @ hidden + state["fc2.bias"])))
        np.testing.assert_allclose(found, image * gate[:, None, None], atol=1e-12)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@torch.inference_mode()
def test_attention_weighs_the_residual_before_the_sum(
    name: str, images: torch.Tensor, lived_in
) -> None:
    """Open gates leave the network as it was; closed ones leave the shortcuts alone."""
    reference = lived_in(models.get_model(name, weights=None))
    attended, width = resnet_trunk(name, last_stride=2, attention=True)
    attended.eval().load_state_dict(reference.state_dict(), strict=False)
    gates = [m for m in attended.modules() if isinstance(m, ChannelAttention)]
    assert len(gates) == {"resnet18": 8, "resnet50": 16}[name]
    assert width == reference.fc.in_features

    def set_gates(bias: float) -> None:
        for gate in gates:
            gate.fc2.weight.zero_()
            gate.fc2.bias.fill_(bias)

    set_gates(100)  # sigmoid gives 1
    assert torch.equal(attended(images), torchvision_maps(reference, images))
    set_gates(-1000)  # sigmoid gives 0
    x = attended[:4](images)
    for layer in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
        x = (layer[0].downsample(x) if layer[0].downsample else x).relu()
    torch.testing.assert_close(attended(images), x)
