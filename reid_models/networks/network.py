"""What every network has in common."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from reid_models.networks.arguments import check_choice, check_whole
from reid_models.networks.pooling import POOLINGS


class Network(nn.Module):
    """Normalised RGB images (N, 3, H, W) to embeddings (N, D).

    Attributes:
        dimension: D.
        neck: from features to embeddings.
        backbone: the name under which weights for its backbone are known.
    """

    dimension: int
    neck: nn.Module
    backbone: str

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `maps` and `features` give, in one pass, the second made of the first."""
        raise NotImplementedError

    def maps(self, images: Tensor) -> Tensor:
        """The last feature map (N, C, h, w), not negative."""
        return self.maps_and_features(images)[0]

    def features(self, images: Tensor) -> Tensor:
        """What a metric loss works on, (N, D)."""
        return self.maps_and_features(images)[1]

    def forward(self, images: Tensor) -> Tensor:
        """What a classifier and the gallery work on, (N, D)."""
        return cast(Tensor, self.neck(self.features(images)))

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        """The modules that make up the backbone, each with the prefix that turns its own names
        of weights into the public ones. Two parts with the same names get the same weights."""
        raise NotImplementedError


class Backbone(Network):
    """A trunk, a pooling, a projection where the dimension is to change, and a BNNeck."""

    def __init__(
        self,
        name: str,
        trunk: nn.Sequential,
        width: int,
        dimension: int | None,
        pooling: str,
    ) -> None:
        """Put a network together.

        Args:
            name: of the architecture, for messages and public weights.
            trunk: images to the last map; its names of weights are the public ones.
            width: channels of that map.
            dimension: length of the embedding, or None for ``width`` without a projection.
            pooling: a name of `POOLINGS`.

        Raises:
            EncoderError: a value is impossible.
        """
        super().__init__()
        check_choice(name, "pooling", pooling, POOLINGS)
        if dimension is not None:
            check_whole(name, "dimension", dimension, 8, 4096)
        self.backbone = name
        self.dimension = width if dimension is None else dimension
        self.trunk = trunk
        self.pooling = POOLINGS[pooling]()
        self.project = nn.Identity() if dimension is None else self.projection(width, dimension)
        self.neck = bn_neck(self.dimension)

    def projection(self, width: int, dimension: int) -> nn.Module:
        """From pooled maps to features."""
        return nn.Linear(width, dimension, bias=False)

    def maps_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.trunk(images)
        return maps, self.project(self.pooling(maps))

    def backbone_parts(self) -> list[tuple[str, nn.Module]]:
        return [("", self.trunk)]


def bn_neck(dimension: int) -> nn.BatchNorm1d:
    """Batch norm whose shift stays zero, so that embeddings are centred on the origin, where
    cosine similarity measures from (Luo et al., "Bag of Tricks and a Strong Baseline", 2019)."""
    neck = nn.BatchNorm1d(dimension)
    neck.bias.requires_grad_(False)
    return neck
