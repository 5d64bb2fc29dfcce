"""Cross entropy against a naive float64 loop and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from train.losses import LabelSmoothedCrossEntropy


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_value_and_gradient(epsilon: float) -> None:
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
    with pytest.raises(ValueError, match="epsilon must be in"):
        LabelSmoothedCrossEntropy(1.0)
