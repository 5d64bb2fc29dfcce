"""The view-invariant losses of GCL.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 5.3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.losses.similarity import checked_temperature, cosines, unit_rows


class ViewContrast(nn.Module):
    """A positive pair against what a memory holds of others.

    With s the cosine divided by ``temperature`` and k the negatives of an image, the loss is
    ``log(1 + sum_i exp(s(pushed, k_i)) / exp(s(first, second)))``, a mean over the images. The
    document's three losses push the generated view and differ in the pair: image and memory
    (equation 5.6), generated view and image (5.7), generated view and memory (5.8). Without
    generation the image itself is pushed (table 5.3).

    Called with ``(first (N, D), second (N, D), pushed (N, D), memory (M, D), negatives (N, K))``,
    normalised inside; ``negatives`` are int64 places in the memory, which gets no gradient.

    Args:
        temperature: > 0.
    """

    def __init__(self, temperature: float = 0.04) -> None:
        super().__init__()
        self.temperature = checked_temperature(temperature)

    def forward(
        self, first: Tensor, second: Tensor, pushed: Tensor, memory: Tensor, negatives: Tensor
    ) -> Tensor:
        alike = (unit_rows(first) * unit_rows(second)).sum(dim=1) / self.temperature
        logits = cosines(pushed, memory.detach()) / self.temperature
        against = logits.gather(1, negatives).logsumexp(dim=1)
        return (torch.logaddexp(alike, against) - alike).mean()
