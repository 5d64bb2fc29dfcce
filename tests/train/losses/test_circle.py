"""The circle loss against a naive float64 loop, and its gradient with the weights held still."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, LABELS, UNEVEN
from train.losses import CircleLoss


def cosines(x: np.ndarray) -> list[list[float]]:
    return [[float(a @ b) / math.hypot(*a) / math.hypot(*b) for b in x] for a in x]


def naive(
    x: np.ndarray, labels: list[int], margin: float, scale: float, at: np.ndarray | None = None
) -> float:
    """With the weights taken ``at`` other embeddings, which is how the gradient sees them."""
    s, fixed = cosines(x), cosines(x if at is None else at)
    losses = []
    for i, label in enumerate(labels):
        total, own, other = 0.0, 0, 0
        for j in range(len(labels)):
            if j == i or labels[j] != label:
                continue
            own += 1
            for k in range(len(labels)):
                if labels[k] == label:
                    continue
                other += 1
                positive = max(1 + margin - fixed[i][j], 0) * (s[i][j] - 1 + margin)
                negative = max(fixed[i][k] + margin, 0) * (s[i][k] - margin)
                total += math.exp(scale * (negative - positive))
        if own and other:
            losses.append(math.log1p(total))
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize("labels", [LABELS, *UNEVEN])
@pytest.mark.parametrize(("margin", "scale"), [(0.25, 16.0), (0.4, 64.0)])
def test_agrees_with_the_naive_loop(labels: list[int], margin: float, scale: float) -> None:
    x = EMBEDDINGS[: len(labels)]
    found = CircleLoss(margin, scale)(torch.from_numpy(x), torch.tensor(labels)).item()
    assert found == pytest.approx(naive(x, labels, margin, scale), abs=1e-9)


def test_gradient_leaves_the_weights_alone() -> None:
    x = torch.from_numpy(EMBEDDINGS).requires_grad_()
    CircleLoss(0.25, 8.0)(x, torch.tensor(LABELS)).backward()
    step = 1e-6
    for row, column in [(0, 0), (3, 2), (7, 5), (11, 1)]:
        ends = []
        for sign in (1, -1):
            moved = EMBEDDINGS.copy()
            moved[row, column] += sign * step
            ends.append(naive(moved, LABELS, 0.25, 8.0, at=EMBEDDINGS))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert x.grad[row, column].item() == pytest.approx(slope, abs=1e-7)


def test_stays_finite_in_single_precision() -> None:
    """The sums of exponentials themselves would overflow at the published scale."""
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    loss = CircleLoss()(x, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    # ap = 2.25 * -1.75 of the opposite own image, an = 1.25 * 0.75 of the other in one's place
    assert loss.item() == pytest.approx(128 * (2.25 * 1.75 + 1.25 * 0.75), rel=1e-6)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"margin": 1.0}, "margin must be in"), ({"scale": 0.0}, "scale must be above 0")],
)
def test_arguments_out_of_range(arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        CircleLoss(**arguments)
