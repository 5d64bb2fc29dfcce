"""A network whose last stage stands in branches of different depth and pooling.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 4.3.2: one branch
is the backbone's own last stage with average pooling, the other has one block more and maximum
pooling, so that the two see different things in one image and can teach each other.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid_models.errors import EncoderError
from reid_models.networks.arguments import check_choice, check_pairs, check_whole
from reid_models.networks.network import Network, bn_neck
from reid_models.networks.resnet import RESNETS, resnet_trunk
from reid_models.networks.stripenet import StripeNet

_STRIPENET = "stripenet"
_POOLINGS: dict[str, Callable[..., Tensor]] = {
    "average": F.adaptive_avg_pool2d,
    "max": F.adaptive_max_pool2d,
}
_LONGEST = 16384  # numbers in an embedding that an encoder file may have


class _Branch(nn.Module):
    """The last stage, blocks behind it, and the vector that is made of their map.

    Args:
        stage: shared map to the branch's, with the public names of weights.
        more: blocks behind it, for which there are no public weights.
        pooling: a name of `_POOLINGS`, of each of so many ``stripes`` of the map.
        width: channels of the map.
        dimension: length of the vector; None for the pooled map as it is.
    """

    def __init__(
        self,
        stage: nn.Module,
        more: nn.Module,
        pooling: str,
        stripes: int,
        width: int,
        dimension: int | None,
    ) -> None:
        super().__init__()
        self.stage, self.more = stage, more
        self._pool, self._stripes = _POOLINGS[pooling], stripes
        self.length = width * stripes if dimension is None else dimension
        self.project: nn.Module = nn.Identity()
        if dimension is not None:
            self.project = nn.Linear(width * stripes, dimension, bias=False)

    def forward(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Its map (N, C, h, w), and its vector (N, length)."""
        maps = self.more(self.stage(shared))
        return maps, self.project(self._pool(maps, (self._stripes, 1)).flatten(1))


class Asymmetric(Network):
    """See the module's text. The features are the vectors of the branches side by side, and the
    neck is their batch norms side by side.

    Attributes:
        parts: number of branches.
    """

    def __init__(
        self,
        backbone: str,
        branches: Sequence[tuple[int, str]],
        last_stride: int,
        stripes: int,
        dimension: int | None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        parted = _parted(backbone, last_stride)
        self.shared = parted.shared
        self.branches = nn.ModuleList(
            _Branch(
                copy.deepcopy(parted.stage),
                nn.Sequential(*(parted.block() for _ in range(more))),
                pooling,
                stripes,
                parted.width,
                dimension,
            )
            for more, pooling in branches
        )
        self.parts = len(branches)
        self.dimension = sum(branch.length for branch in self._branches())
        self.neck = bn_neck(self.dimension)

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The last map of the first branch, (N, C, h, w), and the features, (N, D)."""
        shared = self.shared(images)
        maps, vectors = zip(*(branch(shared) for branch in self._branches()), strict=True)
        return maps[0], torch.cat(vectors, dim=1)

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        return [("", self.shared), *(("", branch.stage) for branch in self._branches())]

    def _branches(self) -> list[_Branch]:
        return [cast(_Branch, branch) for branch in self.branches]


class _Parted(NamedTuple):
    """A backbone in parts; names of weights stay the public ones.

    Attributes:
        shared: images to the map before the last stage.
        stage: that map to the last one.
        width: channels of the last map.
        block: makes one more block of the last stage.
    """

    shared: nn.Sequential
    stage: nn.Sequential
    width: int
    block: Callable[[], nn.Module]


def _parted(backbone: str, last_stride: int) -> _Parted:
    if backbone == _STRIPENET:
        network = StripeNet(dimension=8, stripes=1)
        stem: dict[str, nn.Module] = {"stem": network.stem, "body": network.body[:-1]}
        stage = nn.Sequential(OrderedDict(body=network.body[-1:]))
        width = network.width
        block = partial(type(network.body[-1]), width, width, 1)
        return _Parted(nn.Sequential(OrderedDict(stem)), stage, width, block)
    trunk, width = resnet_trunk(backbone, last_stride)
    layers = dict(trunk.named_children())
    last = cast(nn.Sequential, layers.pop("layer4"))
    kind = cast(Any, type(last[-1]))
    stage = nn.Sequential(OrderedDict(layer4=last))
    block = partial(kind, width, width // kind.expansion)
    return _Parted(nn.Sequential(OrderedDict(layers)), stage, width, block)


def asymmetric(
    backbone: str = "resnet50",
    branches: Sequence[Sequence[Any]] = ((0, "average"), (1, "max")),
    last_stride: int = 1,
    stripes: int = 1,
    dimension: int | None = None,
) -> Asymmetric:
    """Build an `Asymmetric`; as it stands, that of the document: 2 vectors, 4096 numbers.

    Args:
        backbone: one of `RESNETS`, or ``stripenet`` for small crops.
        branches: for each branch, its blocks beyond the last stage, 0 to 4, and its pooling,
            ``average`` or ``max``; 1 to 8 branches. Table 4.4's rows are other branches.
        last_stride: of a ResNet's last stage, 1 or 2.
        stripes: horizontal parts of the map that are pooled each by itself, 1 to 8.
        dimension: length of each branch's vector, 8 to 4096; None for its pooled map as it is.

    Raises:
        EncoderError: a value is impossible.
    """
    check_choice("asymmetric", "backbone", backbone, (*RESNETS, _STRIPENET))
    check_choice("asymmetric", "last_stride", last_stride, (1, 2))
    check_whole("asymmetric", "stripes", stripes, 1, 8)
    if dimension is not None:
        check_whole("asymmetric", "dimension", dimension, 8, 4096)
    network = Asymmetric(backbone, _pairs(branches), last_stride, stripes, dimension)
    if network.dimension > _LONGEST:
        raise EncoderError(
            f"asymmetric: an embedding of {network.dimension} numbers is longer than the "
            f"{_LONGEST} that one may have; set dimension, or fewer branches or stripes"
        )
    return network


def _pairs(branches: object) -> list[tuple[int, str]]:
    what = "more blocks and a pooling, such as [[0, average], [1, max]]"
    pairs = check_pairs("asymmetric", "branches", branches, what)
    for more, pooling in pairs:
        check_whole("asymmetric", "blocks of a branch", more, 0, 4)
        check_choice("asymmetric", "pooling of a branch", pooling, _POOLINGS)
    return pairs
