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
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = checked_temperature(temperature)

    def forward(self, online: Tensor, momentum: Tensor, labels: Tensor) -> Tensor:
        logits = cosines(online, momentum.detach()) / self.temperature
        same = labels[:, None] == labels[None, :]
        positive = logits.masked_fill(~same, float("inf")).amin(dim=1, keepdim=True)
        negatives = logits.masked_fill(same, float("-inf"))
        against = torch.cat([positive, negatives], dim=1)
        return (against.logsumexp(dim=1) - positive[:, 0]).mean()
