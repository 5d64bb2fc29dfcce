"""Batches of P identities with K images."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.data import Draw, PKSampler
from train.errors import TrainError


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_every_batch_has_p_identities_of_k(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=9))
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    cameras = data.draw(st.lists(st.integers(1, 3), min_size=len(labels), max_size=len(labels)))
    p, k = data.draw(st.integers(2, len(sizes))), data.draw(st.integers(2, 5))
    sampler = PKSampler(labels, cameras, p, k, seed=data.draw(st.integers(0, 9)))
    batches = [[draw.image for draw in batch] for batch in sampler]
    assert len(batches) == len(sampler) == max(len(labels) // (p * k), len(sizes) // p)
    for batch in batches:
        counts = Counter(labels[i] for i in batch)
        assert list(counts.values()) == [k] * p
        for label in counts:
            mine = [i for i in batch if labels[i] == label]
            assert len(set(mine)) == min(k, sizes[label])  # repeats only what runs out
            there = {cameras[i] for i, other in enumerate(labels) if other == label}
            assert len({cameras[i] for i in mine}) == min(k, len(there))


def test_all_identities_come_before_one_comes_again() -> None:
    labels = [label for label in range(10) for _ in range(8)]
    batches = list(PKSampler(labels, [1] * 80, 5, 4))
    seen = [labels[draw.image] for batch in batches[:2] for draw in batch[::4]]
    assert sorted(seen) == list(range(10))


def test_seed_and_epoch_decide_the_order() -> None:
    labels = [label for label in range(10) for _ in range(8)]

    def batches(seed: int, epoch: int) -> list[list[Draw]]:
        sampler = PKSampler(labels, [1] * 80, 5, 4, seed)
        sampler.epoch = epoch
        return list(sampler)

    assert batches(1, 1) == batches(1, 1)
    assert batches(1, 1) != batches(1, 2)
    assert batches(1, 1) != batches(2, 1)


def test_an_epoch_may_have_any_number_of_batches() -> None:
    labels = [label for label in range(10) for _ in range(8)]
    batches = list(PKSampler(labels, [1] * 80, 5, 4, batches=7))
    assert len(batches) == len(PKSampler(labels, [1] * 80, 5, 4, batches=7)) == 7
    assert batches[:4] == list(PKSampler(labels, [1] * 80, 5, 4))


def test_a_repeated_image_is_changed_in_another_way() -> None:
    (batch,) = PKSampler([0, 1], [1, 1], 2, 4)  # one image an identity
    assert sorted(draw.image for draw in batch) == [0] * 4 + [1] * 4
    assert len({draw.seed for draw in batch}) == 8


def test_impossible_batches() -> None:
    with pytest.raises(TrainError, match="4 identities cannot be drawn from 3"):
        PKSampler([0, 1, 2], [1, 1, 1], 4, 2)
    with pytest.raises(TrainError, match="at least 2 identities"):
        PKSampler([0, 1, 2], [1, 1, 1], 1, 4)
    with pytest.raises(TrainError, match=r"shows 1 identity; .* two or more"):
        PKSampler([0, 0, 0], [1, 2, 1], 2, 2)
