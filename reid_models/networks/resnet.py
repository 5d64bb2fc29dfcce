"""ResNet as torchvision has it, with instance-batch norm or channel attention where asked for."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

import torch
from torch import Tensor, nn

from reid_models.networks.arguments import check_choice
from reid_models.networks.attention import ChannelAttention
from reid_models.networks.network import Backbone

_IBN = "_ibn_a"
RESNETS = (
    "resnet18",
    "resnet50",
    "resnet101",
    "resnet18_ibn_a",
    "resnet50_ibn_a",
    "resnet101_ibn_a",
)


class InstanceBatchNorm(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the others.

    IBN-a of Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via
    IBN-Net" (2018). ``IN`` and ``BN`` are the names of the public weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = channels // 2
        self.IN = nn.InstanceNorm2d(self.first, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.first)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.IN(maps[:, : self.first]), self.BN(maps[:, self.first :])], dim=1)


class _Attended(nn.Module):
    """A block of torchvision's with channel attention before the shortcut is added."""

    conv1: nn.Module
    bn1: nn.Module
    conv2: nn.Module
    bn2: nn.Module
    conv3: nn.Module  # these two in bottlenecks only
    bn3: nn.Module
    relu: nn.Module
    downsample: nn.Module

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.downsample = nn.Identity()
        for name, module in block.named_children():
            self.add_module(name, module)
        self.deep = hasattr(block, "conv3")
        last = block.bn3 if self.deep else block.bn2
        self.se = ChannelAttention(last.num_features)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x))
        y = self.bn2(self.conv2(self.relu(y)))
        if self.deep:
            y = self.bn3(self.conv3(self.relu(y)))
        return cast(Tensor, self.relu(self.se(y) + self.downsample(x)))


def resnet_trunk(name: str, last_stride: int, attention: bool = False) -> tuple[nn.Sequential, int]:
    """Images to the last map, with torchvision's names (``conv1`` to ``layer4``), and the
    number of channels of that map.

    Args:
        name: one of `RESNETS`.
        last_stride: of the first block of ``layer4`` (conv5_1), 1 or 2.
        attention: squeeze and excitation in every block.
    """
    # Late: it takes seconds and much memory, and the live pipeline mostly does without.
    from torchvision import models

    network = models.get_model(name.removesuffix(_IBN), weights=None)
    layers = [network.layer1, network.layer2, network.layer3, network.layer4]
    if name.endswith(_IBN):
        for layer in layers[:3]:
            for block in layer:
                block.bn1 = InstanceBatchNorm(block.bn1.num_features)
    for module in network.layer4[0].modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (last_stride, last_stride)
    if attention:
        for layer in layers:
            for index, block in enumerate(layer):
                layer[index] = _Attended(block)
    kept = [(n, m) for n, m in network.named_children() if n not in ("avgpool", "fc")]
    return nn.Sequential(OrderedDict(kept)), network.fc.in_features


def resnet(
    name: str, dimension: int | None = None, last_stride: int = 1, pooling: str = "gem"
) -> Backbone:
    """Build the ResNet called ``name``.

    Args:
        name: one of `RESNETS`.
        dimension: length of the embedding; None for the width of the last map.
        last_stride: of the last stage, 1 or 2; 1 keeps a map of twice the height and width.
        pooling: ``average``, ``max``, ``average+max`` or ``gem``.

    Raises:
        EncoderError: a value is impossible.
    """
    check_choice(name, "last_stride", last_stride, (1, 2))
    trunk, width = resnet_trunk(name, last_stride)
    return Backbone(name, trunk, width, dimension, pooling)
