"""Batches in random order."""

from __future__ import annotations

from collections import Counter

import pytest

from train.data.shuffled import Shuffled


def test_an_epoch_holds_each_image_once() -> None:
    draws = Shuffled(images=20, size=6, seed=1)
    batches = list(draws)
    assert len(batches) == len(draws) == 3
    images = [draw.image for batch in batches for draw in batch]
    assert len(set(images)) == len(images) == 18
    assert set(images) <= set(range(20))
    assert images != sorted(images)


def test_more_batches_than_images() -> None:
    """Nobody comes twice more often than anybody else."""
    counts = Counter(draw.image for batch in Shuffled(7, 3, 1, batches=14) for draw in batch)
    assert counts == Counter(dict.fromkeys(range(7), 6))


def test_a_batch_larger_than_the_set() -> None:
    (batch,) = Shuffled(3, 8, 1)
    assert len(batch) == 8
    assert {draw.image for draw in batch} == {0, 1, 2}


@pytest.mark.parametrize(("seed", "epoch"), [(1, 2), (2, 1)])
def test_batches_depend_on_seed_and_epoch_alone(seed: int, epoch: int) -> None:
    first, again, other = Shuffled(30, 5, 1), Shuffled(30, 5, 1), Shuffled(30, 5, seed)
    first.epoch = again.epoch = 1
    other.epoch = epoch
    assert list(first) == list(again)
    assert list(first) == list(first)
    assert list(first) != list(other)
