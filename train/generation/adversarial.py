"""What a discriminator and the generator want of each other, and the gradient penalty.

Scores are those of `reid_models.generators.Discriminator`: one tensor a scale. Losses are means
over images and patches, and sums over scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Objective = Literal["lsgan", "log"]


class Verdict(NamedTuple):
    """The two sides of an adversarial loss, for one scale's scores each.

    Attributes:
        real: the discriminator's loss for images that are real.
        generated: the discriminator's loss for those that are not.
        fooled: the generator's loss.
    """

    real: Tensor
    generated: Tensor
    fooled: Tensor


def verdict(scores: Tensor, objective: Objective) -> Verdict:
    """All three losses as if the scores were of real or of generated images.

    ``lsgan`` is Mao et al., "Least Squares Generative Adversarial Networks" (2017), with 1 for
    real; ``log`` is equation 7 to the letter: the generator minimises ``log(1 - D)``, D being the
    logistic function of the score.
    """
    if objective == "lsgan":
        to_real, to_generated = (scores - 1).square().mean(), scores.square().mean()
        return Verdict(to_real, to_generated, to_real)
    refused = F.softplus(scores).mean()  # -log(1 - D)
    return Verdict(F.softplus(-scores).mean(), refused, -refused)


def discriminator_loss(
    real: Sequence[Tensor], generated: Sequence[Tensor], objective: Objective
) -> Tensor:
    """What the discriminator minimises."""
    losses = [verdict(scores, objective).real for scores in real]
    losses += [verdict(scores, objective).generated for scores in generated]
    return torch.stack(losses).sum()


def generator_loss(generated: Sequence[Tensor], objective: Objective) -> Tensor:
    """What the generator minimises."""
    return torch.stack([verdict(scores, objective).fooled for scores in generated]).sum()


def gradient_penalty(images: Tensor, scores: Sequence[Tensor]) -> Tensor:
    """Squared length of the gradient of the sum of an image's scores, a mean over images.

    Mescheder et al., "Which Training Methods for GANs do actually Converge?" (2018), on real
    images only.

    Args:
        images: (N, 3, H, W) that require gradients.
        scores: the discriminator's, of these images.
    """
    total = torch.stack([scale.sum() for scale in scores]).sum()
    (gradient,) = torch.autograd.grad(total, images, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()
