"""The adversarial losses against loops in float64, and the penalty against differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from train.generation.adversarial import discriminator_loss, generator_loss, gradient_penalty


def scores(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [2 * torch.randn(3, 1, h, w, generator=generator).double() for h, w in ((4, 2), (2, 1))]


def mean(values: Tensor, term: object) -> float:
    return sum(term(v) for v in values.flatten().tolist()) / values.numel()  # type: ignore[operator]


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_least_squares() -> None:
    real, generated = scores(1), scores(2)
    wanted = sum(mean(s, lambda v: (v - 1) ** 2) for s in real)
    wanted += sum(mean(s, lambda v: v**2) for s in generated)
    assert discriminator_loss(real, generated, "lsgan").item() == pytest.approx(wanted)
    fooled = sum(mean(s, lambda v: (v - 1) ** 2) for s in generated)
    assert generator_loss(generated, "lsgan").item() == pytest.approx(fooled)


def test_equation_7() -> None:
    """The discriminator maximises what the generator minimises."""
    real, generated = scores(1), scores(2)
    of_real = sum(mean(s, lambda v: math.log(logistic(v))) for s in real)
    of_generated = sum(mean(s, lambda v: math.log(1 - logistic(v))) for s in generated)
    found = discriminator_loss(real, generated, "log").item()
    assert found == pytest.approx(-(of_real + of_generated))
    assert generator_loss(generated, "log").item() == pytest.approx(of_generated)


def test_scores_far_from_nought_stay_finite() -> None:
    far = [torch.tensor([[[[-1e4, 1e4]]]], requires_grad=True)]
    loss = discriminator_loss(far, far, "log") + generator_loss(far, "log")
    loss.backward()
    assert loss.isfinite()
    assert far[0].grad is not None
    assert far[0].grad.isfinite().all()


def test_the_penalty_is_the_squared_slope() -> None:
    torch.manual_seed(0)
    weights = torch.randn(3 * 4 * 2).double()

    def judge(images: Tensor) -> list[Tensor]:
        product = (images.flatten(1) @ weights).view(-1, 1, 1, 1)
        return [product.tanh(), images[:, :1] ** 2]

    images = torch.randn(2, 3, 4, 2).double().requires_grad_()
    found = gradient_penalty(images, judge(images))
    total = 0.0
    for row in range(2):
        for place in range(24):
            step = torch.zeros(2, 24).double()
            step[row, place] = 1e-6
            step = step.view_as(images)
            up, down = (sum(s.sum() for s in judge(images + sign * step)) for sign in (1, -1))
            total += ((up - down).item() / 2e-6) ** 2 / 2
    assert found.item() == pytest.approx(total, rel=1e-6)
    found.backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
