"""The batch-hard contrastive loss against a naive float64 loop and finite differences."""

from __future__ import annotations

import pytest
import torch

from tests.train.losses.batch import EMBEDDINGS, LABELS, UNEVEN, hardest
from train.losses import ContrastiveLoss


@pytest.mark.parametrize("labels", [LABELS, *UNEVEN])
@pytest.mark.parametrize("margin", [0.3, 2.5])
def test_agrees_with_the_naive_loop(labels: list[int], margin: float) -> None:
    x = EMBEDDINGS[: len(labels)]
    losses = [own + max(margin - other, 0.0) for own, other in hardest(x, labels)]
    wanted = sum(losses) / len(losses) if losses else 0.0
    found = ContrastiveLoss(margin)(torch.from_numpy(x), torch.tensor(labels)).item()
    assert found == pytest.approx(wanted, abs=1e-12)


def test_gradient() -> None:
    x = torch.from_numpy(EMBEDDINGS).requires_grad_()
    loss = ContrastiveLoss(2.5)
    assert torch.autograd.gradcheck(lambda e: loss(e, torch.tensor(LABELS)), x)


def test_gradient_is_finite_where_embeddings_coincide() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    ContrastiveLoss()(x, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(x.grad).all()


def test_arguments_out_of_range() -> None:
    with pytest.raises(ValueError, match="margin must be above 0"):
        ContrastiveLoss(0.0)
