"""DCGAN at the size that Ainam et al. use for people.

Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks" (2015), with the sizes of Ainam et al., "Sparse Label Smoothing for
Semi-supervised Person Re-Identification", section 4.1. At the published size the generator has
7.6 * 10^6 weights and the discriminator 4.3 * 10^6.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

_LAYERS = 4  # each doubles or halves the size
_KERNEL = 5
SMALLEST = 2**_LAYERS  # pixels


class DCGANGenerator(nn.Module):
    """Noise (N, noise) in [-1, 1] to square images (N, 3, size, size) in [-1, 1].

    Args:
        size: of the images, a multiple of 16; 128 is the published one.
        width: channels before the last layer; 64 is the published one, and 8 times that begin.
        noise: how many numbers an image is made of.
    """

    def __init__(self, size: int = 128, width: int = 64, noise: int = 100) -> None:
        super().__init__()
        self.noise, self._start = noise, size // SMALLEST
        channels = [8 * width, 4 * width, 2 * width, width]
        self.begin = nn.Linear(noise, channels[0] * self._start**2)
        self.first = nn.Sequential(nn.BatchNorm2d(channels[0]), nn.ReLU())
        layers = [
            _rectified(_transposed(inputs, outputs), outputs)
            for inputs, outputs in pairwise(channels)
        ]
        self.layers = nn.Sequential(*layers, _transposed(width, 3, bias=True), nn.Tanh())
        self.apply(_initialise)

    def forward(self, noise: Tensor) -> Tensor:
        maps = self.begin(noise).unflatten(1, (-1, self._start, self._start))
        return cast(Tensor, self.layers(self.first(maps)))

    def draw(self, images: int, chance: torch.Generator | None = None) -> Tensor:
        """Noise for as many images, on the network's device."""
        device = self.begin.weight.device
        where = device if chance is None else chance.device
        return (2 * torch.rand(images, self.noise, generator=chance, device=where) - 1).to(device)


class DCGANDiscriminator(nn.Module):
    """Images (N, 3, size, size) in [-1, 1] to scores (N,), of which the logistic function is the
    probability of being real.

    As Radford et al. have it and unlike what section 4.1 says of all layers, the first one has no
    batch norm, which would take away what real and generated images differ in most: their colour.

    Args:
        size: of the images, a multiple of 16.
        width: channels of the first layer; the last has 8 times that.
    """

    def __init__(self, size: int = 128, width: int = 64) -> None:
        super().__init__()
        channels = [width, 2 * width, 4 * width, 8 * width]
        layers = [
            _rectified(_convolution(inputs, outputs), outputs)
            for inputs, outputs in pairwise(channels)
        ]
        self.layers = nn.Sequential(_convolution(3, width, bias=True), nn.ReLU(), *layers)
        self.score = nn.Linear(channels[-1] * (size // SMALLEST) ** 2, 1)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.score(self.layers(images).flatten(1)).squeeze(1))


def _convolution(inputs: int, outputs: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, _KERNEL, 2, _KERNEL // 2, bias=bias)


def _transposed(inputs: int, outputs: int, bias: bool = False) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, _KERNEL, 2, _KERNEL // 2, 1, bias=bias)


def _rectified(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


def _initialise(module: nn.Module) -> None:
    """As Radford et al., section 4: weights from N(0, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=1.0, std=0.02)
