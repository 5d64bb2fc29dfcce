"""Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization" (2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CircleLoss(nn.Module):
    """Circle loss on pairs: ``log(1 + sum over own and other pairs of exp(scale (an - ap)))``.

    With the cosine similarity s of a pair, ``ap = (1 + margin - s)+ (s - 1 + margin)`` for one
    identity and ``an = (s + margin)+ (s - margin)`` for two (equations 4 to 8); the weights in
    ``()+`` take no gradient.

    Called with ``(embeddings (N, D), labels (N,))``, normalised inside; gives the mean over the
    anchors that have both another image of their identity and one of another; 0 if there is none.

    Args:
        margin: in (0, 1).
        scale: > 0; the published value for persons is 128.
    """

    def __init__(self, margin: float = 0.25, scale: float = 128.0) -> None:
        super().__init__()
        if not 0 < margin < 1:
            raise ValueError(f"margin must be in (0, 1), not {margin}")
        if not scale > 0:
            raise ValueError(f"scale must be above 0, not {scale}")
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        rows = F.normalize(embeddings, dim=1)
        similarity = rows @ rows.T
        same = labels[:, None] == labels[None, :]
        own = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        usable = own.any(dim=1) & ~same.all(dim=1)
        if not bool(usable.any()):
            return embeddings.sum() * 0
        fixed = similarity.detach()
        ap = F.relu(1 + self.margin - fixed) * (similarity - 1 + self.margin)
        an = F.relu(fixed + self.margin) * (similarity - self.margin)
        # The double sum of exponentials is the product of two sums.
        near = _log_sum_exp(-self.scale * ap[usable], own[usable])
        far = _log_sum_exp(self.scale * an[usable], ~same[usable])
        return F.softplus(near + far).mean()


def _log_sum_exp(values: Tensor, chosen: Tensor) -> Tensor:
    return torch.logsumexp(values.masked_fill(~chosen, float("-inf")), dim=1)
