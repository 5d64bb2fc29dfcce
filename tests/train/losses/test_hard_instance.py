"""ICE's hard instance contrast against a naive float64 loop and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, LABELS, MOMENTUM, UNEVEN, cosine, softmax
from train.losses import HardInstanceContrast


def naive(f: np.ndarray, m: np.ndarray, labels: list[int], temperature: float) -> float:
    losses = []
    for i, label in enumerate(labels):
        own = [cosine(f[i], m[j]) for j, k in enumerate(labels) if k == label]
        others = [cosine(f[i], m[j]) for j, k in enumerate(labels) if k != label]
        losses.append(-math.log(softmax([s / temperature for s in [min(own), *others]])[0]))
    return sum(losses) / len(losses)


def loss(temperature: float, f: np.ndarray, m: np.ndarray, labels: list[int]) -> float:
    rows = (torch.from_numpy(f), torch.from_numpy(m), torch.tensor(labels))
    return HardInstanceContrast(temperature)(*rows).item()


@pytest.mark.parametrize(
    ("temperature", "published"),
    [(0.09, 11.703834253300833), (0.1, 10.593407762722267), (1.0, 2.7227792668637143)],
)
def test_published_values(temperature: float, published: float) -> None:
    found = loss(temperature, EMBEDDINGS, MOMENTUM, LABELS)
    assert found == pytest.approx(published, abs=1e-12)
    assert found == pytest.approx(naive(EMBEDDINGS, MOMENTUM, LABELS, temperature), abs=1e-12)


def test_the_hardest_negative_alone() -> None:
    """Two logits: a softplus of their difference."""
    total = 0.0
    for i, label in enumerate(LABELS):
        own = [cosine(EMBEDDINGS[i], MOMENTUM[j]) for j, k in enumerate(LABELS) if k == label]
        others = [cosine(EMBEDDINGS[i], MOMENTUM[j]) for j, k in enumerate(LABELS) if k != label]
        total += math.log1p(math.exp((max(others) - min(own)) / 0.5))
    rows = (torch.from_numpy(EMBEDDINGS), torch.from_numpy(MOMENTUM), torch.tensor(LABELS))
    found = HardInstanceContrast(0.5, hardest_only=True)(*rows).item()
    assert found == pytest.approx(total / len(LABELS), abs=1e-12)


@pytest.mark.parametrize("labels", UNEVEN)
def test_classes_of_any_size(labels: list[int]) -> None:
    """An anchor alone has its own momentum view; without negatives there is nothing to lose."""
    f, m = EMBEDDINGS[:6], MOMENTUM[:6]
    assert loss(0.2, f, m, labels) == pytest.approx(naive(f, m, labels, 0.2), abs=1e-12)


def test_gradient_reaches_the_online_side_alone() -> None:
    f, m = (torch.from_numpy(rows).requires_grad_() for rows in (EMBEDDINGS, MOMENTUM))
    contrast, labels = HardInstanceContrast(), torch.tensor(LABELS)
    contrast(f, m, labels).backward()
    assert m.grad is None
    assert torch.autograd.gradcheck(lambda rows: contrast(rows, MOMENTUM_ROWS, labels), f)


MOMENTUM_ROWS = torch.from_numpy(MOMENTUM)


def test_stays_finite_in_half_precision() -> None:
    f = (100 * torch.from_numpy(EMBEDDINGS)).half().requires_grad_()
    contrast = HardInstanceContrast()(f, MOMENTUM_ROWS.half(), torch.tensor(LABELS))
    contrast.backward()
    assert contrast.item() == pytest.approx(10.5934, abs=0.02)
    assert f.grad is not None
    assert torch.isfinite(f.grad).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_temperature_out_of_range(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        HardInstanceContrast(temperature)
