"""Yan et al., "Beyond Triplet Loss: Person Re-identification with Fine-grained Difference-aware
Pairwise Loss" (2022)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from train.losses.pairs import euclidean_distances


class FIDILoss(nn.Module):
    """Symmetric, bounded relative entropy between likeness and identity of the pairs of a batch.

    With the Euclidean distance d of a pair's embeddings as they come, the likeness is
    ``u = exp(-beta d)`` (equation 6) and k is 1 for one identity, else 0. A pair's loss is
    ``D(u || k) + D(k || u)`` (equation 4), ``D(p || q) = p log(alpha p / ((alpha - 1) p + q))``
    (equation 5) with ``0 log 0 = 0``. It is bounded by ``log(alpha / (alpha - 1))``, which one
    identity reaches far apart and two identities at distance 0 (equation 7).

    Called with ``(embeddings (N, D), labels (N,))``; gives a scalar over the pairs i < j; 0 if
    there is none.

    Args:
        alpha: sets the bound, > 1.
        beta: how fast likeness falls with distance, > 0.
        reduction: ``mean`` over the pairs, or ``sum``.
    """

    def __init__(
        self, alpha: float = 1.05, beta: float = 0.5, reduction: Literal["mean", "sum"] = "mean"
    ) -> None:
        super().__init__()
        if not (alpha > 1 and math.isfinite(alpha)):
            raise ValueError(f"alpha must be above 1, not {alpha}")
        if not (beta > 0 and math.isfinite(beta)):
            raise ValueError(f"beta must be above 0, not {beta}")
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be mean or sum, not {reduction!r}")
        self.alpha, self.beta, self.reduction = alpha, beta, reduction

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        row, column = torch.triu_indices(
            len(labels), len(labels), offset=1, device=embeddings.device
        )
        if not len(row):
            return embeddings.sum() * 0
        distances = euclidean_distances(embeddings)[row, column]
        # Likeness is 0 long before; an endless distance would make 0 times infinity of u log u.
        exponent = (-self.beta * distances).clamp(min=-1000)
        losses = torch.where(
            labels[row] == labels[column], self._same(exponent), self._two(exponent)
        )
        return losses.mean() if self.reduction == "mean" else losses.sum()

    def _same(self, exponent: Tensor) -> Tensor:
        """k = 1: ``u log(alpha u / ((alpha - 1) u + 1)) + log(alpha / (alpha - 1 + u))``.

        log u is the exponent itself, which stays finite where u is rounded to 0.
        """
        u, bound = exponent.exp(), math.log(self.alpha)
        ours = u * (bound + exponent - torch.log1p((self.alpha - 1) * u))
        return ours + bound - torch.log((self.alpha - 1) + u)

    def _two(self, exponent: Tensor) -> Tensor:
        """k = 0: ``u log(alpha / (alpha - 1))``; the other direction is 0."""
        return exponent.exp() * math.log(self.alpha / (self.alpha - 1))
