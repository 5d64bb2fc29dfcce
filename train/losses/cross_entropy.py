"""Identity classification."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LabelSmoothedCrossEntropy(nn.Module):
    """Cross entropy against ``(1 - epsilon)`` on the true class and ``epsilon / C`` on every one.

    Called with ``(logits (N, C), labels (N,))``; gives the mean over N.

    Args:
        epsilon: in [0, 1); 0 is plain cross entropy.
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        super().__init__()
        if not 0 <= epsilon < 1:
            raise ValueError(f"epsilon must be in [0, 1), not {epsilon}")
        self.epsilon = epsilon

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.epsilon)
