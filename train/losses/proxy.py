"""The camera-agnostic proxy contrastive loss of ICE.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 6.3.2.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from train.losses.similarity import checked_temperature, unit_rows


class ProxyContrast(nn.Module):
    """Softmax log loss of an image's own cluster among all clusters (equation 6.5).

    Called with ``(online (N, D), proxies (C, D), labels (N,))``: ``online`` is normalised inside,
    the proxies are taken as they are (equation 6.4 has means of rows of length 1) and get no
    gradient; labels are rows of ``proxies``. Gives the mean over the images.

    Args:
        temperature: > 0.
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = checked_temperature(temperature)

    def forward(self, online: Tensor, proxies: Tensor, labels: Tensor) -> Tensor:
        rows = unit_rows(online)
        logits = rows @ proxies.detach().to(rows.dtype).T / self.temperature
        return F.cross_entropy(logits, labels)
