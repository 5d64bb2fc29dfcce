"""DG-Net's decoder, table 7 of its appendix."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.generators.layers import convolution, initialise, leaky

_BLOCKS = 4
_HIDDEN = 16  # x width: of the layers between the appearance code and the norms' parameters


class Decoder(nn.Module):
    """Appearance codes and structure codes to normalised RGB images.

    The appearance code sets scale and shift of the adaptive instance norms (AdaIN), two in each
    of the four residual blocks, through three fully connected layers. Each number of the code is
    normalised over the batch before that: in an encoder that has learnt, 80 to 95 % of a code is
    the same for everybody, and behind it the decoder would hardly see who is who.

    Args:
        appearance: numbers in an appearance code; 2048 x 4 with ResNet-50.
        width: an eighth of the structure code's channels; 16 is the published size.
    """

    def __init__(self, appearance: int, width: int = 16) -> None:
        super().__init__()
        channels, hidden = 8 * width, _HIDDEN * width
        self.style = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(appearance, affine=False),
            nn.Linear(appearance, hidden),
            leaky(),
            nn.Linear(hidden, hidden),
            leaky(),
            nn.Linear(hidden, _BLOCKS * _Block.PARAMETERS * channels),
        )
        self.blocks = nn.ModuleList(_Block(channels) for _ in range(_BLOCKS))
        self.up1 = nn.Upsample(scale_factor=2)
        self.conv1 = _normed(channels, 4 * width, 5)
        self.up2 = nn.Upsample(scale_factor=2)
        self.conv2 = _normed(4 * width, 2 * width, 5)
        # Without norms: with them no image could be darker than another, or have less contrast.
        self.conv3 = nn.Sequential(convolution(2 * width, 2 * width, 3), leaky())
        self.conv4 = nn.Sequential(convolution(2 * width, 2 * width, 3), leaky())
        self.conv5 = convolution(2 * width, 3, 1)
        self.apply(initialise)

    def forward(self, appearance: Tensor, structure: Tensor) -> Tensor:
        """Codes (N, C, parts, 1) and (N, 8 x width, h, w) to images (N, 3, 4 h, 4 w)."""
        maps = structure
        styles = self.style(appearance).chunk(_BLOCKS, dim=1)
        for block, style in zip(self.blocks, styles, strict=True):
            maps = block(maps, style)
        maps = self.conv2(self.up2(self.conv1(self.up1(maps))))
        return cast(Tensor, self.conv5(self.conv4(self.conv3(maps))))


class _Block(nn.Module):
    """Two 3 x 3 convolutions with AdaIN after each, and a shortcut."""

    PARAMETERS = 4  # scale and shift of each norm, for a channel

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels, 3)
        self.conv2 = convolution(channels, channels, 3)
        self.relu = leaky()

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        scale1, shift1, scale2, shift2 = style.chunk(self.PARAMETERS, dim=1)
        changed = self.relu(_adapted(self.conv1(maps), scale1, shift1))
        return maps + _adapted(self.conv2(changed), scale2, shift2)


def _adapted(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Instance norm, then (N, C) scales, counted from 1 so that it starts as a plain norm."""
    return F.instance_norm(maps) * (1 + scale[..., None, None]) + shift[..., None, None]


def _normed(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """With layer norm: instance norm would take away what the appearance code has put in."""
    return nn.Sequential(convolution(inputs, outputs, kernel), nn.GroupNorm(1, outputs), leaky())
