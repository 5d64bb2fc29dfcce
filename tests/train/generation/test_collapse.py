"""When a discriminator counts as collapsed."""

from __future__ import annotations

import pytest
import torch

from train.errors import TrainError
from train.generation.collapse import Collapse, CollapseWatch

LIVELY = [torch.randn(2, 1, 4, 2, generator=torch.Generator().manual_seed(0))]


def watch(steps: int) -> CollapseWatch:
    return CollapseWatch(Collapse(loss=0.01, steps=steps))


def test_a_discriminator_that_is_always_right() -> None:
    watched = watch(30)
    for _ in range(29):
        watched.look(torch.tensor(0.001), LIVELY, 3)
    with pytest.raises(
        TrainError,
        match=r"collapsed in epoch 3: for 30 steps it tells every .* last checkpoint is of epoch 2",
    ):
        watched.look(torch.tensor(0.001), LIVELY, 3)


def test_a_discriminator_that_is_always_the_same() -> None:
    watched, flat = watch(20), [torch.full((2, 1, 4, 2), 0.5)]
    for _ in range(19):
        watched.look(torch.tensor(0.5), flat, 1)
    with pytest.raises(TrainError, match=r"says the same of every image.*no checkpoint yet"):
        watched.look(torch.tensor(0.5), flat, 1)


def test_one_good_step_begins_the_count_anew() -> None:
    watched = watch(20)
    for step in range(200):
        watched.look(torch.tensor(0.5 if step % 15 == 0 else 0.001), LIVELY, 1)


def test_the_threshold_is_of_one_scale_and_kind() -> None:
    watched = watch(20)
    for _ in range(40):  # 0.05 over three scales and two kinds is less than 0.01 each
        watched.look(torch.tensor(0.062), [*LIVELY] * 3, 1)
    assert int(watched.won) == 0


def test_the_count_goes_through_the_checkpoint() -> None:
    first, second = watch(100), watch(100)
    for _ in range(10):
        first.look(torch.tensor(0.0), LIVELY, 1)
    second.load_state_dict(first.state_dict())
    assert int(second.won) == 10
