"""The cross-camera proxy contrastive loss of ICE.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 6.3.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.losses.similarity import checked_temperature, cosines


class CameraProxies(NamedTuple):
    """One for each cluster in each camera that saw it (equation 6.6).

    Attributes:
        rows: (M, D) means of the images' representations.
        labels: (M,) clusters.
        cameras: (M,)
    """

    rows: Tensor
    labels: Tensor
    cameras: Tensor


class CameraProxyContrast(nn.Module):
    """Draws an image to its cluster as the other cameras saw it (equation 6.7).

    For each proxy of the image's cluster in another camera: the softmax log loss of their cosine
    divided by ``temperature``, against the nearest proxies of other clusters in any camera; the
    mean over these proxies.

    Called with ``(online (N, D), labels (N,), cameras (N,), proxies)``, normalised inside; gives
    the mean over the images whose cluster another camera saw; 0 if there is none. The proxies get
    no gradient.

    Args:
        temperature: > 0.
        negatives: proxies of other clusters, at least 1; all where there are fewer.
    """

    def __init__(self, temperature: float = 0.07, negatives: int = 50) -> None:
        super().__init__()
        if negatives < 1:
            raise ValueError(f"negatives must be at least 1, not {negatives}")
        self.temperature = checked_temperature(temperature)
        self.negatives = negatives

    def forward(
        self, online: Tensor, labels: Tensor, cameras: Tensor, proxies: CameraProxies
    ) -> Tensor:
        logits = cosines(online, proxies.rows.detach()) / self.temperature
        own = labels[:, None] == proxies.labels[None, :]
        positive = own & (cameras[:, None] != proxies.cameras[None, :])
        # Not infinity, whose sum would have no gradient where there is no other cluster.
        others = logits.masked_fill(own, torch.finfo(logits.dtype).min)
        nearest = others.topk(min(self.negatives, logits.shape[1]), dim=1).values
        against = torch.logaddexp(logits, nearest.logsumexp(dim=1, keepdim=True)) - logits
        counts = positive.sum(dim=1)
        means = (against * positive).sum(dim=1) / counts.clamp(min=1)
        return means.sum() / (counts > 0).sum().clamp(min=1)
