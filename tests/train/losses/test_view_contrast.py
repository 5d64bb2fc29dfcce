"""GCL's view-invariant losses against naive float64 loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, MOMENTUM, PLAIN, cosine
from train.losses import ViewContrast

RNG = np.random.default_rng(3)
MEMORY = RNG.standard_normal((20, 6))
NEGATIVES = np.stack([RNG.permutation(20)[:7] for _ in range(12)])
POSITIVE = MEMORY[RNG.integers(0, 20, 12)]
IMAGE, NEW = EMBEDDINGS, PLAIN


def naive(first: np.ndarray, second: np.ndarray, pushed: np.ndarray, temperature: float) -> float:
    losses = []
    for n in range(len(first)):
        above = sum(math.exp(cosine(pushed[n], MEMORY[k]) / temperature) for k in NEGATIVES[n])
        below = math.exp(cosine(first[n], second[n]) / temperature)
        losses.append(math.log(1 + above / below))
    return sum(losses) / len(losses)


def loss(first: np.ndarray, second: np.ndarray, pushed: np.ndarray, temperature: float) -> float:
    rows = [torch.from_numpy(r) for r in (first, second, pushed, MEMORY, NEGATIVES)]
    found: torch.Tensor = ViewContrast(temperature)(*rows)
    return found.item()


@pytest.mark.parametrize("temperature", [0.04, 0.1, 1.0])
@pytest.mark.parametrize(
    ("first", "second", "pushed"),
    [
        (IMAGE, POSITIVE, NEW),  # equation 5.6
        (NEW, IMAGE, NEW),  # 5.7
        (NEW, POSITIVE, NEW),  # 5.8
        (IMAGE, POSITIVE, IMAGE),  # without generation, table 5.3
    ],
)
def test_equations_5_6_to_5_8(
    first: np.ndarray, second: np.ndarray, pushed: np.ndarray, temperature: float
) -> None:
    found = loss(first, second, pushed, temperature)
    assert found == pytest.approx(naive(first, second, pushed, temperature), abs=1e-12)


def test_length_does_not_count() -> None:
    assert loss(3 * IMAGE, POSITIVE / 7, 2 * NEW, 0.04) == pytest.approx(
        loss(IMAGE, POSITIVE, NEW, 0.04), abs=1e-12
    )


def test_gradients() -> None:
    """Both views get one, the memory none."""
    image, new, memory = (torch.from_numpy(rows).requires_grad_() for rows in (IMAGE, NEW, MEMORY))
    negatives, contrast = torch.from_numpy(NEGATIVES), ViewContrast(0.5)
    contrast(new, image, new, memory, negatives).backward()
    assert memory.grad is None
    assert image.grad is not None
    assert new.grad is not None
    kept = memory.detach()
    assert torch.autograd.gradcheck(lambda a, b: contrast(b, a, b, kept, negatives), (image, new))


def test_stays_finite_in_half_precision() -> None:
    image = (100 * torch.from_numpy(IMAGE)).half().requires_grad_()
    rows = [torch.from_numpy(r).half() for r in (MOMENTUM, NEW, MEMORY)]
    found = ViewContrast()(image, *rows, torch.from_numpy(NEGATIVES))
    found.backward()
    assert found.item() == pytest.approx(loss(IMAGE, MOMENTUM, NEW, 0.04), rel=0.01)
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_out_of_range(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        ViewContrast(temperature)
