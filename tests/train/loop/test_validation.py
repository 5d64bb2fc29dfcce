"""Which training identities are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.data import Sample
from train.errors import TrainError
from train.loop.validation import hold_out


def samples(identities: int, cameras: int = 2, images: int = 3) -> list[Sample]:
    return [
        Sample(Path(f"{i}-{c}-{n}.jpg"), i, c)
        for i in range(1, identities + 1)
        for c in range(cameras)
        for n in range(images)
    ]


def test_parts_the_identities() -> None:
    everything = samples(20)
    held = hold_out(everything, 0.25, seed=1)
    out = {sample.identity for sample in held.gallery}
    assert len(out) == 5
    assert sorted([*held.train, *held.gallery]) == sorted(everything)
    assert not out & {sample.identity for sample in held.train}
    assert {(s.identity, s.camera) for s in held.query} == {(i, c) for i in out for c in (0, 1)}
    assert len(held.query) == 10
    assert set(held.query) <= set(held.gallery)
    assert hold_out(everything, 0.25, seed=1) == held
    assert hold_out(everything, 0.25, seed=2) != held


def test_too_few_identities() -> None:
    with pytest.raises(TrainError, match=r"a share of 0.1 leaves fewer than two"):
        hold_out(samples(10), 0.1, seed=0)


def test_identities_of_one_camera() -> None:
    with pytest.raises(TrainError, match="was seen by two cameras"):
        hold_out(samples(10, cameras=1), 0.3, seed=0)
