"""Spatial and channel partition representation network, SCR.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), chapter 3: a ResNet
whose layers after conv4_1 stand in several branches. Each branch gives one vector of its whole
map, one of each of its horizontal stripes and one of each of its groups of channels, by global
max pooling; each vector is brought to one length by a 1 x 1 convolution of its own and batch
norm. In training each has a classifier of its own; the whole ones also have a triplet loss.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.errors import EncoderError
from reid_models.networks.arguments import check_choice, check_pairs, check_whole
from reid_models.networks.network import Network
from reid_models.networks.resnet import RESNETS, resnet_trunk

_LONGEST = 16384  # numbers in an embedding that an encoder file may have


class _Branch(nn.Module):
    """The layers after conv4_1 and the vectors that are made of their map.

    Args:
        trunk: shared map to the branch's map, with ``width`` channels.
        width: as said.
        stripes: horizontal parts of the map; 1 for none.
        groups: of channels; 1 for none.
        dimension: length of each vector.
    """

    def __init__(
        self, trunk: nn.Module, width: int, stripes: int, groups: int, dimension: int
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.stripes = stripes if stripes > 1 else 0
        self.groups = groups if groups > 1 else 0
        lengths = [width] * (1 + self.stripes)
        if self.groups:  # 2048 in three is 683, 683, 682
            short, longer = divmod(width, self.groups)
            lengths += [short + (i < longer) for i in range(self.groups)]
        # A 1 x 1 convolution of a map of one place. No bias: batch norm follows.
        self.reduce = nn.ModuleList(nn.Linear(length, dimension, bias=False) for length in lengths)

    def forward(self, shared: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The branch's map, and vectors (N, dimension): of the whole map, its stripes, its
        groups of channels."""
        maps = self.trunk(shared)
        whole = maps.amax((2, 3))
        pooled = [whole]
        if self.stripes:
            stripes = F.adaptive_max_pool2d(maps, (self.stripes, 1))
            pooled += [stripes[:, :, i, 0] for i in range(self.stripes)]
        if self.groups:
            groups = whole.tensor_split(self.groups, dim=1)
            pooled += [groups[i] for i in range(self.groups)]
        return maps, [reduce(v) for reduce, v in zip(self.reduce, pooled, strict=True)]


class SCR(Network):
    """See the module's text. The features are ``parts`` vectors of ``part_dimension`` numbers
    side by side: ``globals_`` of whole maps first, then those of each branch in turn, its
    stripes before its groups of channels. The neck is their batch norms side by side.
    """

    def __init__(
        self,
        backbone: str,
        branches: Sequence[tuple[int, int]],
        part_dimension: int,
        attention: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        trunk, width = resnet_trunk(backbone, last_stride=1, attention=attention)
        layers = dict(trunk.named_children())
        conv4, conv5 = cast(nn.Sequential, layers.pop("layer3")), layers.pop("layer4")
        # Slices of a Sequential keep the names of their members, and so the public names.
        self.shared = nn.Sequential(OrderedDict(**layers, layer3=conv4[:1]))
        rest = nn.Sequential(OrderedDict(layer3=conv4[1:], layer4=conv5))
        self.branches = nn.ModuleList(
            _Branch(copy.deepcopy(rest), width, stripes, groups, part_dimension)
            for stripes, groups in branches
        )
        self.globals_ = len(branches)
        self.parts = sum(len(branch.reduce) for branch in self._branches())
        self.part_dimension = part_dimension
        self.dimension = self.parts * part_dimension
        self.neck = nn.BatchNorm1d(self.dimension)

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The last map of the first branch, (N, C, h, w), and the features, (N, D)."""
        shared = self.shared(images)
        maps, vectors = zip(*(branch(shared) for branch in self._branches()), strict=True)
        local = [vector for branch in vectors for vector in branch[1:]]
        return maps[0], torch.cat([branch[0] for branch in vectors] + local, dim=1)

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        return [("", self.shared), *(("", branch.trunk) for branch in self._branches())]

    def _branches(self) -> list[_Branch]:
        return [cast(_Branch, branch) for branch in self.branches]


def scr(
    backbone: str = "resnet50",
    branches: Sequence[Sequence[int]] = ((1, 1), (2, 2), (3, 3)),
    part_dimension: int = 256,
    attention: str = "none",
) -> SCR:
    """Build an `SCR`; as it stands, that of the document: 13 vectors, 3328 numbers.

    Args:
        backbone: one of `RESNETS`.
        branches: for each branch, its numbers of stripes and of groups of channels, 1 to 8;
            1 is for none. In the document's words p1 is ``(1, 1)``, p2(s2c2) ``(2, 2)``,
            p2(s2) ``(2, 1)`` and p3(c3) ``(1, 3)``.
        part_dimension: length of each vector, 8 to 2048.
        attention: ``none``, or ``se`` for squeeze and excitation in every block (table 3.1).

    Raises:
        EncoderError: a value is impossible.
    """
    check_choice("scr", "backbone", backbone, RESNETS)
    check_choice("scr", "attention", attention, ("none", "se"))
    check_whole("scr", "part_dimension", part_dimension, 8, 2048)
    pairs = _pairs(branches)
    network = SCR(backbone, pairs, part_dimension, attention == "se")
    if network.dimension > _LONGEST:
        raise EncoderError(
            f"scr: {network.parts} vectors of {part_dimension} numbers are longer than the "
            f"{_LONGEST} numbers that an embedding may have; lower part_dimension"
        )
    return network


def _pairs(branches: object) -> list[tuple[int, int]]:
    what = "stripes and groups of channels, such as [[1, 1], [2, 2], [3, 3]]"
    pairs = check_pairs("scr", "branches", branches, what)
    for stripes, groups in pairs:
        check_whole("scr", "stripes of a branch", stripes, 1, 8)
        check_whole("scr", "groups of a branch", groups, 1, 8)
    return pairs
