"""FIDI against a naive float64 loop, published values, its limits and finite differences."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, LABELS, NORMALISED
from train.losses import FIDILoss

BOUND = math.log(1.05 / 0.05)


def relative_entropy(p: float, q: float, alpha: float) -> float:
    return p * math.log(alpha * p / ((alpha - 1) * p + q)) if p else 0.0


def naive_pair(distance: float, same: bool, alpha: float = 1.05, beta: float = 0.5) -> float:
    u, k = math.exp(-beta * distance), float(same)
    return relative_entropy(u, k, alpha) + relative_entropy(k, u, alpha)


def pair(distance: float, same: bool, alpha: float = 1.05, dtype=torch.float64) -> float:
    x = torch.tensor([[0.0, 1.0], [distance, 1.0]], dtype=dtype)
    return FIDILoss(alpha)(x, torch.tensor([4, 4 if same else 5])).item()


@pytest.mark.parametrize(
    ("distance", "same", "published"),
    [
        (0.0, True, 0.0),
        (0.1, True, 0.0022117359770595577),
        (1.0, True, 0.177782876227356),
        (math.sqrt(2), True, 0.32270590160953017),
        (5.0, True, 1.871556034948178),
        (50.0, True, 3.0445224370991424),
        (0.0, False, 3.044522437723422),
        (0.1, False, 2.8960393263151616),
        (2.0, False, 1.12001721302361),
        (50.0, False, 4.2282156710726306e-11),
    ],
)
def test_published_pairs(distance: float, same: bool, published: float) -> None:
    assert pair(distance, same) == pytest.approx(published, abs=1e-12)
    assert pair(distance, same, dtype=torch.float32) == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize(
    ("x", "total", "mean"),
    [
        (EMBEDDINGS, 51.311653856820584, 0.7774493008609179),
        (NORMALISED, 89.0633693305885, 1.3494449898574015),
    ],
)
def test_published_batches(x: np.ndarray, total: float, mean: float) -> None:
    labels = torch.tensor(LABELS)
    assert FIDILoss(reduction="sum")(torch.from_numpy(x), labels).item() == pytest.approx(
        total, abs=1e-10
    )
    assert FIDILoss()(torch.from_numpy(x), labels).item() == pytest.approx(mean, abs=1e-12)
    single = torch.from_numpy(x.astype(np.float32))
    assert FIDILoss()(single, labels).item() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(("alpha", "beta"), [(1.05, 0.5), (1.5, 2.0), (3.0, 0.1), (1.001, 1.0)])
def test_agrees_with_the_naive_loop(alpha: float, beta: float) -> None:
    pairs = [
        naive_pair(math.dist(EMBEDDINGS[i], EMBEDDINGS[j]), LABELS[i] == LABELS[j], alpha, beta)
        for i, j in combinations(range(12), 2)
    ]
    found = FIDILoss(alpha, beta)(torch.from_numpy(EMBEDDINGS), torch.tensor(LABELS)).item()
    assert found == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_limits(dtype: torch.dtype) -> None:
    """Equation 7, and what holds where the distance is 0."""
    assert pair(1e6, False, dtype=dtype) == 0
    assert pair(1e6, True, dtype=dtype) == pytest.approx(BOUND, abs=1e-6)
    assert pair(0.0, True, dtype=dtype) == pytest.approx(0, abs=1e-7)
    assert pair(0.0, False, dtype=dtype) == pytest.approx(BOUND, abs=1e-6)
    assert pair(1e6, True, alpha=1.5, dtype=dtype) == pytest.approx(math.log(3), abs=1e-6)


def test_gradient() -> None:
    labels = torch.tensor(LABELS)
    for reduction in ("mean", "sum"):
        x = torch.from_numpy(EMBEDDINGS).requires_grad_()
        loss = FIDILoss(reduction=reduction)
        assert torch.autograd.gradcheck(lambda e, loss=loss: loss(e, labels), x)


def test_published_gradient() -> None:
    x = torch.from_numpy(EMBEDDINGS).requires_grad_()
    FIDILoss()(x, torch.tensor(LABELS)).backward()
    assert x.grad[0, 0].item() == pytest.approx(-0.006558769971576339, abs=1e-8)
    assert x.grad[5, 3].item() == pytest.approx(0.002666819043373181, abs=1e-8)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-8, 1e8, 1e30])
def test_gradient_is_finite_at_extreme_distances(scale: float) -> None:
    x = (torch.eye(4) * scale).requires_grad_()
    loss = FIDILoss()(x, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()


def test_half_precision_is_summed_in_single() -> None:
    half = torch.from_numpy(EMBEDDINGS).bfloat16()
    found = FIDILoss()(half, torch.tensor(LABELS))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(
        FIDILoss()(half.float(), torch.tensor(LABELS)).item(), abs=1e-7
    )


def test_a_batch_without_pairs() -> None:
    x = torch.ones(1, 3, requires_grad=True)
    loss = FIDILoss()(x, torch.tensor([1]))
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"alpha": 1.0}, "alpha must be above 1"),
        ({"alpha": math.nan}, "alpha must be above 1"),
        ({"beta": 0.0}, "beta must be above 0"),
        ({"reduction": "none"}, "reduction must be mean or sum"),
    ],
)
def test_arguments_out_of_range(arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FIDILoss(**arguments)
