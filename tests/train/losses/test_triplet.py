"""The triplet loss against a naive float64 loop, published values and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, LABELS, NORMALISED, UNEVEN, hardest
from train.losses import TripletLoss


def naive(x: np.ndarray, labels: list[int], margin: float | None) -> float:
    gaps = [own - other for own, other in hardest(x, labels)]
    losses = [math.log1p(math.exp(g)) if margin is None else max(g + margin, 0.0) for g in gaps]
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize(
    ("x", "margin", "published"),
    [
        (EMBEDDINGS, 0.3, 1.3735022965230321),
        (EMBEDDINGS, None, 1.415365661296521),
        (NORMALISED, 0.3, 0.873649511067402),
        (NORMALISED, None, 1.0432017729608485),
    ],
)
def test_published_values(x: np.ndarray, margin: float | None, published: float) -> None:
    found = TripletLoss(margin)(torch.from_numpy(x), torch.tensor(LABELS)).item()
    assert found == pytest.approx(published, abs=1e-12)
    assert found == pytest.approx(naive(x, LABELS, margin), abs=1e-12)


@pytest.mark.parametrize("labels", UNEVEN)
@pytest.mark.parametrize("margin", [0.3, 5.0, None])
def test_anchors_that_have_no_triplet(labels: list[int], margin: float | None) -> None:
    x = EMBEDDINGS[:6]
    found = TripletLoss(margin)(torch.from_numpy(x), torch.tensor(labels)).item()
    assert found == pytest.approx(naive(x, labels, margin), abs=1e-12)


@pytest.mark.parametrize("margin", [0.3, None])
def test_gradient(margin: float | None) -> None:
    x = torch.from_numpy(EMBEDDINGS).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: TripletLoss(margin)(e, torch.tensor(LABELS)), x)


def test_gradient_is_finite_where_embeddings_coincide() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    TripletLoss()(x, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(x.grad).all()


def test_small_distances_count_in_float32() -> None:
    """Far from the origin, where the matrix-product formula for distances gives noise."""
    x = torch.tensor([[1000.0, 0.0], [1000.001, 0.0], [1000.003, 0.0], [1000.004, 0.0]])
    found = TripletLoss(0.0)(x, torch.tensor([0, 1, 0, 1])).item()
    wanted = naive(x.double().numpy(), [0, 1, 0, 1], 0.0)
    assert found == pytest.approx(wanted, rel=1e-3)


def test_arguments_out_of_range() -> None:
    with pytest.raises(ValueError, match="margin must not be negative"):
        TripletLoss(-0.1)
