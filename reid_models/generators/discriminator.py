"""DG-Net's multi-scale patch discriminator, table 8 of its appendix."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.generators.layers import Residual, convolution, leaky

_SCALES = 3


class Discriminator(nn.Module):
    """Normalised RGB images (N, 3, H, W) to scores of their patches at three scales.

    Args:
        width: channels of the first layer; 32 is the published size.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(width) for _ in range(_SCALES))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Scores (N, 1, h, w) with h x w = H / 4 x W / 4, H / 8 x W / 8 and H / 16 x W / 16."""
        scores = []
        for scale in self.scales:
            scores.append(scale(images))
            images = F.avg_pool2d(images, 2)
        return scores


class PatchDiscriminator(nn.Module):
    """One scale: images (N, 3, H, W) to scores (N, 1, H / 4, W / 4), real above generated."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1 = _layer(3, width, 1)
        self.conv2 = _layer(width, width, 3)
        self.conv3 = _layer(width, width, 3, stride=2)
        self.conv4 = _layer(width, width, 3)
        self.conv5 = _layer(width, 2 * width, 3, stride=2)
        self.blocks = nn.Sequential(*(_block(2 * width) for _ in range(4)))
        self.conv6 = convolution(2 * width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv4(self.conv3(self.conv2(self.conv1(images))))
        return cast(Tensor, self.conv6(self.blocks(self.conv5(maps))))


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, outputs, kernel, stride), leaky())


def _block(channels: int) -> Residual:
    return Residual(*_layer(channels, channels, 3), *_layer(channels, channels, 3))
