"""The smallest of a stream."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation.nearest import Smallest


@pytest.mark.parametrize("count", [1, 3, 50, 1000])
def test_keeps_the_smallest_of_all_below_its_bound(count: int) -> None:
    rng = np.random.default_rng(count)
    everything, kept = [], Smallest(count)
    for _ in range(40):
        values = np.round(rng.standard_normal(20), 1)  # with ties
        everything += values.tolist()
        kept.add(values[values <= kept.bound])
    assert kept.sorted().tolist() == sorted(everything)[:count]


def test_of_nothing() -> None:
    assert Smallest(3).sorted().tolist() == []
