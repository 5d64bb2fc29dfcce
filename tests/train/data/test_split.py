"""A share of the identities."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.data import Sample, split_identities
from train.data.dataset import identities
from train.errors import TrainError

SAMPLES = [Sample(Path(f"{i}-{n}"), i, n % 2 + 1) for i in range(1, 21) for n in range(3)]


def test_nothing_is_lost_and_no_identity_is_on_both_sides() -> None:
    chosen, rest = split_identities(SAMPLES, 0.3, seed=1)
    assert len(identities(chosen)) == 6
    assert not identities(chosen) & identities(rest)
    assert sorted(chosen + rest) == sorted(SAMPLES)
    assert chosen == [sample for sample in SAMPLES if sample in chosen]


def test_smaller_shares_are_parts_of_greater_ones() -> None:
    shares = [identities(split_identities(SAMPLES, share, 5)[0]) for share in (0.1, 0.4, 0.8)]
    assert shares[0] < shares[1] < shares[2]
    assert identities(split_identities(SAMPLES, 0.4, 6)[0]) != shares[1]


def test_both_sides_have_somebody() -> None:
    assert len(identities(split_identities(SAMPLES, 0.001, 1)[0])) == 1
    assert len(identities(split_identities(SAMPLES, 0.999, 1)[1])) == 1
    with pytest.raises(TrainError, match="1 identities cannot be parted"):
        split_identities(SAMPLES[:3], 0.5, 1)
