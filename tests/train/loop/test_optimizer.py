"""Schedules against torch's own, and which weights decay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from train.loop import OptimizerSettings
from train.loop.optimizer import make_optimizer, make_rate


def settings(**changes: Any) -> OptimizerSettings:
    values = {
        "optimizer": "adamw",
        "learning_rate": 0.1,
        "weight_decay": 0.3,
        "decay_norms": False,
        "schedule": "cosine",
        "milestones": [],
        "decay": 0.1,
        "warmup_epochs": 0,
        "warmup_from": 0.0,
    }
    return OptimizerSettings.model_validate(values | changes)


def by_torch(scheduler: LRScheduler, epochs: int) -> list[float]:
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("name", ["cosine", "step"])
def test_equals_torchs_schedule(name: str) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler: LRScheduler = CosineAnnealingLR(optimizer, 10)
    if name == "step":
        scheduler = MultiStepLR(optimizer, [3, 7], 0.2)
    rate = make_rate(settings(schedule=name, milestones=[3, 7], decay=0.2), 10)
    assert [rate(epoch) for epoch in range(10)] == pytest.approx(by_torch(scheduler, 10))


def test_constant_after_warming_up() -> None:
    rate = make_rate(settings(schedule="constant", warmup_epochs=4, warmup_from=0.2), 10)
    assert [rate(epoch) for epoch in (0, 1, 2, 4, 9)] == pytest.approx([0.2, 0.4, 0.6, 1, 1])


def test_rises_then_falls() -> None:
    rate = make_rate(settings(warmup_epochs=2, warmup_from=0.01), 10)
    rates = [rate(epoch / 10) for epoch in range(101)]
    assert rates[20] == max(rates) == 1
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[0] == 0.01
    assert rates[100] == pytest.approx(0)


@pytest.mark.parametrize(("norms", "vectors"), [(False, 0.0), (True, 0.3)])
def test_decay_of_normalisation_is_a_setting(norms: bool, vectors: float) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model[0].bias.requires_grad_(False)
    groups = make_optimizer(model, settings(decay_norms=norms)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, vectors]
    assert [[p.ndim for p in group["params"]] for group in groups] == [[2], [1, 1]]


@pytest.mark.parametrize(
    ("name", "kind", "extra"),
    [
        ("adamw", torch.optim.AdamW, ("amsgrad", False)),
        ("adam", torch.optim.Adam, ("amsgrad", False)),
        ("amsgrad", torch.optim.Adam, ("amsgrad", True)),
        ("sgd", torch.optim.SGD, ("momentum", 0.9)),
    ],
)
def test_names(name: str, kind: type, extra: tuple[str, Any]) -> None:
    optimizer = make_optimizer(nn.Linear(1, 1), settings(optimizer=name))
    assert type(optimizer) is kind
    assert optimizer.defaults[extra[0]] == extra[1]
