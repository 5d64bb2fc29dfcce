"""Weighing the channels of a map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    """Weighs each channel, from 0 to 1, by what the whole map holds on average.

    Squeeze and excitation of Hu et al., "Squeeze-and-Excitation Networks" (2018), and, shared by
    several maps, the aggregation gate of OSNet.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        squeezed = F.relu(self.fc1(maps.mean((2, 3), keepdim=True)))
        return maps * torch.sigmoid(self.fc2(squeezed))
