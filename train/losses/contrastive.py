"""The contrastive loss on the hardest pairs of a batch, to which FIDI is compared."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from train.losses.pairs import euclidean_distances, hardest_pairs


class ContrastiveLoss(nn.Module):
    """Batch-hard contrastive loss on Euclidean distances of the embeddings as they come.

    Of each anchor, the distance of the farthest image of its identity, plus what the nearest image
    of another lacks to the margin: Yan et al., "Beyond Triplet Loss" (2022), section III-B, has
    the two as special cases of the triplet loss, equations 1 and 2.

    Called with ``(embeddings (N, D), labels (N,))``; gives the mean over the anchors that have
    both another image of their identity and one of another in the batch; 0 if there is none.

    Args:
        margin: the distance that different identities should keep, > 0. It sets the scale of the
            embeddings.
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        if not margin > 0:
            raise ValueError(f"margin must be above 0, not {margin}")
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        own, other = hardest_pairs(euclidean_distances(embeddings), labels)
        if not len(own):
            return embeddings.sum() * 0
        return (own + F.relu(self.margin - other)).mean()
