"""DG-Net's structure encoder, table 6 of its appendix."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from reid_models.generators.layers import Residual, convolution, initialise, leaky

_DILATIONS = (6, 12, 18)  # of Chen et al., "DeepLab" (2017); table 6 names none


class StructureEncoder(nn.Module):
    """Grey images (N, 1, H, W) in [-1, 1] to structure codes (N, 8 x width, H / 4, W / 4).

    Args:
        width: channels of the first layer; 16 is the published size.
        aspp: whether the optional pyramid of dilated convolutions is there.
    """

    def __init__(self, width: int = 16, aspp: bool = True) -> None:
        super().__init__()
        self.conv1 = _normed(1, width, 3, stride=2)
        self.conv2 = _normed(width, 2 * width, 3)
        self.conv3 = _normed(2 * width, 2 * width, 3)
        self.conv4 = _normed(2 * width, 4 * width, 3, stride=2)
        self.blocks = nn.Sequential(*(_block(4 * width) for _ in range(4)))
        self.aspp = _Pyramid(4 * width, 2 * width) if aspp else nn.Identity()
        self.conv5 = _normed((8 if aspp else 4) * width, 8 * width, 1)
        self.channels = 8 * width
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv4(self.conv3(self.conv2(self.conv1(images))))
        return cast(Tensor, self.conv5(self.aspp(self.blocks(maps))))


class _Pyramid(nn.Module):
    """Four views of one map, each farther than the other, side by side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.near = _normed(inputs, outputs, 1)
        self.far = nn.ModuleList(
            nn.Sequential(_normed(inputs, outputs, 1), _normed(outputs, outputs, 3, dilation=rate))
            for rate in _DILATIONS
        )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.near(maps), *(view(maps) for view in self.far)], dim=1)


def _normed(
    inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        convolution(inputs, outputs, kernel, stride, dilation), nn.InstanceNorm2d(outputs), leaky()
    )


def _block(channels: int) -> Residual:
    return Residual(
        *_normed(channels, channels, 3),
        convolution(channels, channels, 3),
        nn.InstanceNorm2d(channels),
    )
