"""What is remembered of every image of a training set, and whom an image is contrasted with.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 5.3.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.losses.similarity import unit_rows
from train.unsupervised.clustering import OUTLIER


class Memory(nn.Module):
    """A row for each image, which follows what the encoder says of it (equation 5.5).

    Args:
        images: how many.
        dimension: of their embeddings.
        momentum: share of itself that a row keeps when its image was seen, in [0, 1).
    """

    rows: Tensor

    def __init__(self, images: int, dimension: int, momentum: float) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(images, dimension))
        self._momentum = momentum

    @torch.no_grad()
    def fill(self, rows: Tensor) -> None:
        """Begin with rows (M, D) of length 1."""
        self.rows.copy_(rows)

    @torch.no_grad()
    def follow(self, places: Tensor, rows: Tensor) -> None:
        """Call with embeddings (N, D) of the images at ``places`` (N,); only their direction
        counts, and of an image that comes twice the last one."""
        # A GPU would let either of the two win, another one after a restart.
        last = {place: number for number, place in enumerate(places.tolist())}
        chosen = torch.tensor(list(last.values()), device=rows.device)
        seen = places[chosen]
        self.rows[seen] = self.rows[seen].lerp(unit_rows(rows[chosen]), 1 - self._momentum)


class Partners(NamedTuple):
    """Places in the memory: of a positive (N,), and of negatives (N, K)."""

    positive: Tensor
    negatives: Tensor


def draw_partners(labels: Tensor, places: Tensor, negatives: int) -> Partners:
    """Whom each image is contrasted with, drawn from torch's global generator.

    The positive is another image of its cluster, or itself where there is none; the negatives are
    different images of other clusters, as many for each as the one with fewest has.

    Args:
        labels: (M,) cluster of every image, -1 for none, of at least two clusters.
        places: (N,) numbers of images that are in one.
        negatives: of each image, at most.
    """
    own = labels[places, None] == labels[None, :]
    others = own.clone()
    others[torch.arange(len(places)), places] = False
    alone = ~others.any(dim=1)
    others[alone] = own[alone]
    chance = torch.rand(own.shape)
    positive = chance.masked_fill(~others, -1).argmax(dim=1)
    strange = ~own & (labels != OUTLIER)[None, :]
    count = min(negatives, int(strange.sum(dim=1).min()))
    return Partners(positive, chance.masked_fill(~strange, -1).topk(count, dim=1).indices)
