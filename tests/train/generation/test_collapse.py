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
        match=r"collapsed in epoch 3: for 30 steps it tells every .* is from before half of them",
    ):
        watched.look(torch.tensor(0.001), LIVELY, 3)


def test_a_discriminator_that_is_always_the_same() -> None:
    watched, flat = watch(20), [torch.full((2, 1, 4, 2), 0.5)]
    for _ in range(19):
        watched.look(torch.tensor(0.5), flat, 1)
    with pytest.raises(TrainError, match=r"for 20 steps it says the same of every image"):
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


def test_it_looks_at_the_same_steps_after_a_resume() -> None:
    def steps(*parts: int) -> int:
        """Steps until it is noticed, with a checkpoint after each of the parts."""
        watched, done = watch(25), 0
        while True:
            if done in parts:
                resumed = watch(25)
                resumed.load_state_dict(watched.state_dict())
                watched = resumed
            try:
                watched.look(torch.tensor(0.0), LIVELY, 1)
            except TrainError:
                return done
            done += 1

    assert steps(7) == steps(13, 24) == steps()


def test_it_is_doubtful_from_half_of_the_steps_on() -> None:
    watched = watch(20)
    for step in range(12):
        assert watched.doubtful == (step >= 10)
        watched.look(torch.tensor(0.0), LIVELY, 1)
    watched.look(torch.tensor(0.5), LIVELY, 1)
    assert not watched.doubtful
