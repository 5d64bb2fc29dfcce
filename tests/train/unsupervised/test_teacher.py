"""A teacher's weights by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from train.unsupervised.teacher import Teacher


@pytest.mark.parametrize("ramp", [False, True])
def test_follows_as_the_equation_says(ramp: bool) -> None:
    """Equation 6.2, and with the ramp that of practice: min(1 - 1 / (t + 1), momentum)."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    teacher = Teacher(model, 0.7, ramp)
    weight = model[0].weight.detach().clone().double()
    for step in range(1, 6):
        with torch.no_grad():
            model[0].weight.copy_(torch.full((2, 2), float(step)))
            model[1].running_mean.fill_(float(step))
        teacher.follow(model)
        kept = min(1 - 1 / (step + 1), 0.7) if ramp else 0.7
        weight = kept * weight + (1 - kept) * step
        torch.testing.assert_close(teacher.model[0].weight.double(), weight)
    assert teacher.model[1].running_mean[0] not in (0.0, 5.0)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert {"steps", "model.0.weight"} < teacher.state_dict().keys()
    assert teacher.steps.item() == 5


def test_looking_changes_nothing_that_it_keeps() -> None:
    teacher = Teacher(nn.Sequential(nn.BatchNorm1d(3)), 0.9, ramp=False).train()
    before = teacher.model[0].running_mean.clone()
    images = 5 + torch.randn(8, 3)
    out = teacher(images)
    assert torch.equal(teacher.model[0].running_mean, before)
    torch.testing.assert_close(out.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    assert not out.requires_grad
