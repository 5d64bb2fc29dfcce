"""ICE's soft instance consistency against a naive float64 loop and published values."""

from __future__ import annotations

import math

import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, MOMENTUM, PLAIN, cosine, softmax
from train.losses import SoftInstanceConsistency

ONLINE, STRONG, PLAINLY = (torch.from_numpy(rows) for rows in (EMBEDDINGS, MOMENTUM, PLAIN))


def naive(temperature: float, reverse: bool) -> float:
    total = 0.0
    for i in range(12):
        p = softmax([cosine(EMBEDDINGS[i], MOMENTUM[j]) / temperature for j in range(12)])
        q = softmax([cosine(PLAIN[i], PLAIN[j]) / temperature for j in range(12)])
        if reverse:
            p, q = q, p
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / 12


@pytest.mark.parametrize(
    ("temperature", "reverse", "published"),
    [
        (0.4, False, 1.2335340752443222),
        (0.4, True, 1.1599627432228943),
        (2.0, False, 0.05462125148657692),
        (2.0, True, 0.05498995993385126),
        (0.1, False, 8.656933236405088),
    ],
)
def test_published_values(temperature: float, reverse: bool, published: float) -> None:
    found = SoftInstanceConsistency(temperature, reverse)(ONLINE, STRONG, PLAINLY).item()
    assert found == pytest.approx(published, abs=1e-12)
    assert found == pytest.approx(naive(temperature, reverse), abs=1e-12)


def test_squares() -> None:
    """The mean over anchors and batch of the squared difference of the two distributions."""
    total = 0.0
    for i in range(12):
        p = softmax([cosine(EMBEDDINGS[i], MOMENTUM[j]) / 0.4 for j in range(12)])
        q = softmax([cosine(PLAIN[i], PLAIN[j]) / 0.4 for j in range(12)])
        total += sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
    squares = SoftInstanceConsistency(0.4, squares=True)
    assert squares(ONLINE, STRONG, PLAINLY).item() == pytest.approx(total / 144, abs=1e-12)
    with pytest.raises(ValueError, match="exclude each other"):
        SoftInstanceConsistency(reverse=True, squares=True)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_reaches_the_online_side_alone(reverse: bool) -> None:
    rows = [rows.clone().requires_grad_() for rows in (ONLINE, STRONG, PLAINLY)]
    consistency = SoftInstanceConsistency(reverse=reverse)
    consistency(*rows).backward()
    assert rows[0].grad is not None
    assert rows[1].grad is None
    assert rows[2].grad is None
    assert torch.autograd.gradcheck(lambda online: consistency(online, STRONG, PLAINLY), rows[0])


def test_is_least_where_nothing_has_changed() -> None:
    assert SoftInstanceConsistency()(ONLINE, ONLINE, ONLINE).item() == pytest.approx(0, abs=1e-12)


def test_temperature_out_of_range() -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        SoftInstanceConsistency(0.0)
