"""Losses against naive float64 loops, published values and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from train.losses import LabelSmoothedCrossEntropy, TripletLoss

EMBEDDINGS = np.random.default_rng(7).standard_normal((12, 6))
LABELS = [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3


def naive_triplet(x: np.ndarray, labels: list[int], margin: float | None) -> float:
    total, anchors = 0.0, 0
    for i, label in enumerate(labels):
        own = [j for j, other in enumerate(labels) if other == label and j != i]
        foreign = [j for j, other in enumerate(labels) if other != label]
        if not own or not foreign:
            continue
        far = max(math.dist(x[i], x[j]) for j in own)
        near = min(math.dist(x[i], x[j]) for j in foreign)
        gap = far - near
        total += math.log1p(math.exp(gap)) if margin is None else max(gap + margin, 0.0)
        anchors += 1
    return total / anchors if anchors else 0.0


@pytest.mark.parametrize(
    ("normalised", "margin", "published"),
    [
        (False, 0.3, 1.3735022965230321),
        (False, None, 1.415365661296521),
        (True, 0.3, 0.873649511067402),
        (True, None, 1.0432017729608485),
    ],
)
def test_triplet_values(normalised: bool, margin: float | None, published: float) -> None:
    x = EMBEDDINGS
    if normalised:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = TripletLoss(margin)(torch.from_numpy(x), torch.tensor(LABELS)).item()
    assert found == pytest.approx(published, abs=1e-12)
    assert found == pytest.approx(naive_triplet(x, LABELS, margin), abs=1e-12)


@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 2, 2], [5, 5, 5, 5, 5, 9], [1, 1, 1, 1, 1, 1]])
@pytest.mark.parametrize("margin", [0.3, 5.0, None])
def test_triplet_with_anchors_that_have_no_triplet(labels: list[int], margin: float | None) -> None:
    x = EMBEDDINGS[:6]
    found = TripletLoss(margin)(torch.from_numpy(x), torch.tensor(labels)).item()
    assert found == pytest.approx(naive_triplet(x, labels, margin), abs=1e-12)


@pytest.mark.parametrize("margin", [0.3, None])
def test_triplet_gradient(margin: float | None) -> None:
    x = torch.from_numpy(EMBEDDINGS).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: TripletLoss(margin)(e, torch.tensor(LABELS)), x)


def test_triplet_gradient_is_finite_where_embeddings_coincide() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    TripletLoss()(x, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(x.grad).all()


def test_triplet_keeps_small_distances_in_float32() -> None:
    """Far from the origin, where the matrix-product formula for distances gives noise."""
    x = torch.tensor([[1000.0, 0.0], [1000.001, 0.0], [1000.003, 0.0], [1000.004, 0.0]])
    found = TripletLoss(0.0)(x, torch.tensor([0, 1, 0, 1])).item()
    wanted = naive_triplet(x.double().numpy(), [0, 1, 0, 1], 0.0)
    assert found == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_cross_entropy_value_and_gradient(epsilon: float) -> None:
    logits = torch.from_numpy(np.random.default_rng(3).standard_normal((5, 4)) * 3)
    labels = [0, 3, 1, 1, 2]
    total = 0.0
    for row, label in zip(logits.tolist(), labels, strict=True):
        normaliser = math.log(sum(math.exp(v) for v in row))
        for k, value in enumerate(row):
            weight = epsilon / 4 + (1 - epsilon if k == label else 0)
            total -= weight * (value - normaliser)
    loss = LabelSmoothedCrossEntropy(epsilon)
    assert loss(logits, torch.tensor(labels)).item() == pytest.approx(total / 5, abs=1e-12)
    assert torch.autograd.gradcheck(
        lambda z: loss(z, torch.tensor(labels)), logits.requires_grad_()
    )


def test_arguments_out_of_range() -> None:
    with pytest.raises(ValueError, match="margin must not be negative"):
        TripletLoss(-0.1)
    with pytest.raises(ValueError, match="epsilon must be in"):
        LabelSmoothedCrossEntropy(1.0)
