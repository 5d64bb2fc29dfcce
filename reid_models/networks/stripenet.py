"""A light network for crops of about 128 x 64 pixels that trains from scratch on a CPU.

Plain 3 x 3 convolutions in residual blocks: at this size they run faster on a CPU than the
depthwise ones of the usual light networks, which move more memory for each multiplication.
The last map is pooled in horizontal stripes, since a person's hair, upper and lower clothes and
shoes come in that order, and globally by maximum, for what may be anywhere (a bag).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.networks.arguments import check_whole
from reid_models.networks.network import Network, bn_neck

_WIDTHS = (32, 64, 128, 160)
_STRIDES = (2, 2, 2, 1)


class _Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class StripeNet(Network):
    """See the module's text."""

    def __init__(self, dimension: int, stripes: int) -> None:
        super().__init__()
        self.backbone = "stripenet"
        self.dimension = dimension
        self.width = _WIDTHS[-1]  # channels of the last map
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTHS[0], 3, 2, 1, bias=False), nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU()
        )
        inputs = (_WIDTHS[0], *_WIDTHS[:-1])
        self.body = nn.Sequential(
            *(_Block(i, o, s) for i, o, s in zip(inputs, _WIDTHS, _STRIDES, strict=True))
        )
        self.stripes = nn.AdaptiveAvgPool2d((stripes, 1))
        self.project = nn.Linear(self.width * (stripes + 1), dimension, bias=False)
        self.neck = bn_neck(dimension)

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.body(self.stem(images))
        pooled = torch.cat([self.stripes(maps).flatten(1), maps.amax((2, 3))], dim=1)
        return maps, self.project(pooled)

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        return [("stem.", self.stem), ("body.", self.body)]


def stripenet(dimension: int = 256, stripes: int = 4) -> StripeNet:
    """Build a `StripeNet` (0.9 M parameters as it stands).

    Args:
        dimension: length of the embedding, 8 to 2048.
        stripes: horizontal stripes that the last map is pooled in, 1 to 8.

    Raises:
        EncoderError: a value is impossible.
    """
    check_whole("stripenet", "dimension", dimension, 8, 2048)
    check_whole("stripenet", "stripes", stripes, 1, 8)
    return StripeNet(dimension, stripes)
