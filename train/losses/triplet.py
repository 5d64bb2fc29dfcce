"""Hermans et al., "In Defense of the Triplet Loss for Person Re-Identification" (2017)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from train.losses.pairs import euclidean_distances, hardest_pairs


class TripletLoss(nn.Module):
    """Batch-hard triplet loss on Euclidean distances of the embeddings as they come.

    Called with ``(embeddings (N, D), labels (N,))``; gives the mean over the anchors that have
    both another image of their identity and one of another in the batch; 0 if there is none.

    Args:
        margin: of the hinge, >= 0; ``None`` for the soft margin ``log(1 + exp(ap - an))``.
    """

    def __init__(self, margin: float | None = 0.3) -> None:
        super().__init__()
        if margin is not None and margin < 0:
            raise ValueError(f"margin must not be negative, not {margin}")
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        own, other = hardest_pairs(euclidean_distances(embeddings), labels)
        if not len(own):
            return embeddings.sum() * 0
        gap = own - other
        return (F.softplus(gap) if self.margin is None else F.relu(gap + self.margin)).mean()
