"""The soft instance consistency loss of ICE.

H. Chen, "Towards unsupervised person re-identification" (thesis, 2022), section 6.3.4.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from train.losses.similarity import checked_temperature, cosines


class SoftInstanceConsistency(nn.Module):
    """Whom an anchor resembles in its batch should not depend on how the images were changed.

    P is the softmax over the batch of the cosines of an online representation with the momentum
    ones, divided by ``temperature``, all of changed images (equation 6.10); Q is that of the
    momentum representations of the plain images with each other (equation 6.11); the loss is
    ``KL(P || Q)`` (equation 6.12).

    Called with ``(online_strong, momentum_strong, momentum_plain)``, each (N, D) and normalised
    inside; gives the mean over the anchors. Only ``online_strong`` gets a gradient.

    Args:
        temperature: > 0.
        reverse: ``KL(Q || P)``, which the method's public code computes.
        squares: the mean of ``(P - Q)^2`` over the batch in place of a divergence (table 6.3; the
            document does not say what its mean square error is of).
    """

    def __init__(
        self, temperature: float = 0.4, reverse: bool = False, squares: bool = False
    ) -> None:
        super().__init__()
        self.temperature = checked_temperature(temperature)
        if reverse and squares:
            raise ValueError("reverse and squares exclude each other")
        self.reverse, self.squares = reverse, squares

    def forward(
        self, online_strong: Tensor, momentum_strong: Tensor, momentum_plain: Tensor
    ) -> Tensor:
        changed = cosines(online_strong, momentum_strong.detach()) / self.temperature
        plain = cosines(momentum_plain, momentum_plain).detach() / self.temperature
        p, q = F.log_softmax(changed, dim=1), F.log_softmax(plain, dim=1)
        if self.squares:
            return F.mse_loss(p.exp(), q.exp())
        # kl_div(a, b) is KL(b || a)
        first, second = (q, p) if self.reverse else (p, q)
        return F.kl_div(second, first, reduction="batchmean", log_target=True)
