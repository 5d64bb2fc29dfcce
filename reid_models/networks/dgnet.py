"""DG-Net's appearance encoder with its two heads: what is left of DG-Net when it has learned.

Zheng et al., "Joint Discriminative and Generative Learning for Person Re-identification" (2019),
sections 3.2 and 4.1. A backbone's last map, max pooled to a few parts, is the appearance code;
one fully connected layer makes the primary feature of it (clothes), another the fine-grained one
(what is left of a person in other clothes). `reid_models.generators` has the rest of DG-Net.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.errors import EncoderError
from reid_models.networks.arguments import check_choice, check_whole
from reid_models.networks.network import Network, bn_neck
from reid_models.networks.resnet import RESNETS, resnet_trunk
from reid_models.networks.stripenet import stripenet

_BACKBONES = ("stripenet", *RESNETS)


class Pair(NamedTuple):
    """Primary and fine-grained features, (N, D / 2) each, or what is made of them."""

    primary: Tensor
    fine: Tensor


class DGNet(Network):
    """See the module's text.

    Attributes:
        code_shape: of an appearance code, (channels, parts, 1).
    """

    def __init__(
        self,
        backbone: str,
        trunk: nn.Sequential,
        width: int,
        parts: int,
        dimension: int,
        beta: float,
        mirror: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dimension = dimension
        self.code_shape = (width, parts, 1)
        self.trunk = trunk
        self.pool = nn.AdaptiveMaxPool2d((parts, 1))
        self.primary = _head(width * parts, dimension // 2)
        self.fine = _head(width * parts, dimension // 2)
        self.neck = _Weighted(beta)
        self._mirror = mirror

    def code(self, images: Tensor) -> Tensor:
        """The appearance code (N, channels, parts, 1)."""
        return cast(Tensor, self.pool(self.trunk(images)))

    def heads(self, code: Tensor) -> Pair:
        """What classifiers work on."""
        flat = code.flatten(1)
        return Pair(self.primary(flat), self.fine(flat))

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features are the two of `heads`, each of length 1, side by side; with ``mirror`` they
        are added to those of the mirror image."""
        if not self._mirror:
            maps = self.trunk(images)
            return maps, self._halves(maps)
        both = self.trunk(torch.cat([images, images.flip(3)])).chunk(2)
        # As one batch: a head that is called twice has its batch norm folded into it twice.
        halves = self._halves(torch.cat([both[0], both[1]])).chunk(2)
        return both[0], halves[0] + halves[1]

    def _halves(self, maps: Tensor) -> Tensor:
        primary, fine = self.heads(self.pool(maps))
        return torch.cat([F.normalize(primary), F.normalize(fine)], dim=1)

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        return [("", self.trunk)]


class _Weighted(nn.Module):
    """Both halves of length 1, the second times ``beta``."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self._beta = beta

    def forward(self, features: Tensor) -> Tensor:
        halves = features.chunk(2, dim=1)
        return torch.cat([F.normalize(halves[0]), self._beta * F.normalize(halves[1])], dim=1)


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), bn_neck(outputs))


def _trunk(backbone: str, last_stride: int) -> tuple[nn.Sequential, int]:
    """A backbone without pooling, and the channels of its map."""
    if backbone != "stripenet":
        return resnet_trunk(backbone, last_stride)
    network = stripenet()
    layers = OrderedDict[str, nn.Module](stem=network.stem, body=network.body)
    return nn.Sequential(layers), network.width


def dgnet(
    backbone: str = "resnet50",
    last_stride: int = 2,
    parts: int = 4,
    dimension: int = 1024,
    beta: float = 0.5,
    mirror: bool = False,
) -> DGNet:
    """Build a `DGNet`.

    Args:
        backbone: a ResNet, or stripenet for small images on a CPU.
        last_stride: of a ResNet's last stage, 1 or 2.
        parts: horizontal parts of the appearance code, 1 to 8.
        dimension: length of the embedding, even; half for each of the two features.
        beta: weight of the fine-grained feature in the embedding, from 0 to 100.
        mirror: add up the features of an image and its mirror image; twice the cost.

    Raises:
        EncoderError: a value is impossible.
    """
    check_choice("dgnet", "backbone", backbone, _BACKBONES)
    check_choice("dgnet", "last_stride", last_stride, (1, 2))
    check_whole("dgnet", "parts", parts, 1, 8)
    check_whole("dgnet", "dimension", dimension, 16, 4096)
    check_choice("dgnet", "mirror", mirror, (True, False))
    if dimension % 2:
        raise EncoderError(f"dgnet: dimension must be even, not {dimension}")
    if type(beta) not in (int, float) or not 0 <= beta <= 100:
        raise EncoderError(f"dgnet: beta must be a number from 0 to 100, not {beta!r}")
    trunk, width = _trunk(backbone, last_stride)
    return DGNet(backbone, trunk, width, parts, dimension, beta, mirror)
