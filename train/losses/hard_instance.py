"""The hard instance contrastive loss of ICE.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 6.3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.losses.similarity import checked_temperature, cosines


class HardInstanceContrast(nn.Module):
    """Each anchor against its least similar positive and all negatives (equation 6.9).

    The cosines of an online representation with the momentum representations of the batch are
    divided by ``temperature``; the loss is the softmax log loss of the least of the anchor's own
    class, in which its own momentum view counts, against all of other classes.

    Called with ``(online (N, D), momentum (N, D), labels (N,))``, normalised inside; gives the
    mean over the anchors. No gradient reaches ``momentum``.

    Args:
        temperature: > 0.
        hardest_only: against the most similar negative alone, as a batch-hard triplet loss does
            (table 6.2).
    """

    def __init__(self, temperature: float = 0.1, hardest_only: bool = False) -> None:
        super().__init__()
        self.temperature = checked_temperature(temperature)
        self.hardest_only = hardest_only

    def forward(self, online: Tensor, momentum: Tensor, labels: Tensor) -> Tensor:
        logits = cosines(online, momentum.detach()) / self.temperature
        same = labels[:, None] == labels[None, :]
        positive = logits.masked_fill(~same, float("inf")).amin(dim=1, keepdim=True)
        negatives = logits.masked_fill(same, float("-inf"))
        if self.hardest_only:
            negatives = negatives.amax(dim=1, keepdim=True)
        against = torch.cat([positive, negatives], dim=1)
        return (against.logsumexp(dim=1) - positive[:, 0]).mean()
