"""OSNet (Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", 2019).

Each block looks at four sizes of neighbourhood, 3, 5, 7 and 9 pixels, in parallel streams of
light convolutions; one small gate, shared by the streams, weighs their channels for each image
before they are added. The names of the weights are those of the authors' published files.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.networks.attention import ChannelAttention
from reid_models.networks.network import Backbone

_WIDTHS = (64, 256, 384, 512)  # of x1.0
_STREAMS = "abcd"  # stream number i has i light convolutions in a row
_BOTTLENECK = 4


class _Conv(nn.Module):
    """Convolution, batch norm and, unless ``linear``, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.Identity() if linear else nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.relu(self.bn(self.conv(x))))


class _LightConv(nn.Module):
    """A 3 x 3 convolution as a pointwise one and then a depthwise one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv2(self.conv1(x))))


class _Block(nn.Module):
    """Omni-scale residual block."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // _BOTTLENECK
        self.conv1 = _Conv(inputs, middle)
        self.conv2a = _LightConv(middle)
        for length, name in enumerate(_STREAMS[1:], start=2):
            stream = nn.Sequential(*(_LightConv(middle) for _ in range(length)))
            self.add_module(f"conv2{name}", stream)
        self.gate = ChannelAttention(middle)
        self.conv3 = _Conv(middle, outputs, linear=True)
        self.downsample = (
            nn.Identity() if inputs == outputs else _Conv(inputs, outputs, linear=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        gated = [self.gate(self.get_submodule(f"conv2{name}")(y)) for name in _STREAMS]
        mixed = gated[0] + gated[1] + gated[2] + gated[3]
        return F.relu(self.conv3(mixed) + self.downsample(x))


def _stage(inputs: int, outputs: int, halve: bool) -> nn.Sequential:
    stage = nn.Sequential(_Block(inputs, outputs), _Block(outputs, outputs))
    if halve:
        stage.append(nn.Sequential(_Conv(outputs, outputs), nn.AvgPool2d(2, 2)))
    return stage


class OSNet(Backbone):
    """Its projection is the published ``fc``: linear, batch norm and ReLU."""

    def projection(self, width: int, dimension: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, dimension), nn.BatchNorm1d(dimension), nn.ReLU())

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        return [("", self.trunk), ("fc.", self.project)]


def osnet(name: str, scale: float, dimension: int | None = 512, pooling: str = "average") -> OSNet:
    """Build an OSNet.

    Args:
        name: of the architecture.
        scale: of the numbers of channels, 1.0 or 0.25.
        dimension: length of the embedding, through the published fully connected layer; None
            for the width of the last map (512 times ``scale``) without that layer.
        pooling: ``average`` (as published), ``max``, ``average+max`` or ``gem``.

    Raises:
        EncoderError: a value is impossible.
    """
    w1, w2, w3, w4 = (int(width * scale) for width in _WIDTHS)
    trunk = nn.Sequential(
        OrderedDict(
            conv1=_Conv(3, w1, kernel=7, stride=2),
            maxpool=nn.MaxPool2d(3, 2, 1),
            conv2=_stage(w1, w2, halve=True),
            conv3=_stage(w2, w3, halve=True),
            conv4=_stage(w3, w4, halve=False),
            conv5=_Conv(w4, w4),
        )
    )
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return OSNet(name, trunk, w4, dimension, pooling)
