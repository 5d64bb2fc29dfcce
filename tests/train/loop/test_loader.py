"""Each process's part of a batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tests.train.loop.toy import InOrder, Points
from train.data import Sample
from train.errors import TrainError
from train.loop import Source
from train.loop.loader import Loader

CPU = torch.device("cpu")


def source(count: int, size: int) -> Source:
    samples = [Sample(Path(f"{number}.jpg"), 1, 1) for number in range(count)]
    return Source(samples, Points(count), InOrder(count, size))


def test_the_parts_together_are_the_batch() -> None:
    made = source(24, 8)
    parts = [[b.indices.tolist() for b in Loader(made, 0, CPU, p, 2)] for p in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == list(InOrder(24, 8))
    assert all(len(a) == len(b) == 4 for a, b in zip(*parts, strict=True))


def test_a_batch_holds_what_its_indices_say() -> None:
    for batch in Loader(source(8, 4), 0, CPU, 0, 1):
        assert torch.equal(batch.images, Points(8).values[batch.indices])
        assert torch.equal(batch.labels, batch.indices % 2)


def test_a_batch_that_cannot_be_shared() -> None:
    with pytest.raises(TrainError, match="8 images cannot be shared equally by 3 processes"):
        list(Loader(source(8, 8), 0, CPU, 0, 3))


class Readers(Dataset[tuple[Tensor, int]]):
    """Each image is the process that read it."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((1, 2, 2), float(os.getpid())), 0


@pytest.fixture
def one_processor() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_processor")
def test_no_more_readers_than_processors() -> None:
    made = source(16, 2)
    readers = {
        pid
        for batch in Loader(Source(made.samples, Readers(), made.draws), 8, CPU, 0, 1)
        for pid in batch.images[:, 0, 0, 0].tolist()
    }
    assert len(readers) == 1
    assert readers != {float(os.getpid())}
