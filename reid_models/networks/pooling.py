"""From the last map (N, C, h, w) to one vector an image (N, C)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """Mean over all places."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class Maximum(nn.Module):
    """Largest value over all places."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax((2, 3))


class AverageMaximum(nn.Module):
    """Sum of mean and largest value."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3)) + maps.amax((2, 3))


class GeM(nn.Module):
    """Generalised mean ``(mean x^p)^(1/p)`` with a learned ``p``: 1 is the mean, infinity the
    maximum (Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", 2018).

    It expects maps that are not negative; what is below 1e-6 counts as 1e-6. ``p`` is held in
    [1, 6]: beyond, 1e-6 to the power of p is no longer a float32, and a channel without any
    response would have an infinite gradient. It counts in its own precision, so that half
    precision around it does no harm.
    """

    _SMALLEST = 1e-6
    _POWERS = (1.0, 6.0)

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), p))

    def forward(self, maps: Tensor) -> Tensor:
        p = self.p.clamp(*self._POWERS)
        return maps.to(self.p.dtype).clamp(min=self._SMALLEST).pow(p).mean((2, 3)).pow(1 / p)


POOLINGS: dict[str, type[nn.Module]] = {
    "average": Average,
    "max": Maximum,
    "average+max": AverageMaximum,
    "gem": GeM,
}
