from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from pipeline.inference.shared.messages import Kind
from pipeline.inference.shared.waiting import Job, Load, Waiting

DETECT = Load(Kind.DETECT, (96, 160))
TALL = Load(Kind.DETECT, (160, 96))
EMBED = Load(Kind.EMBED, (64, 32))
FOR_EVER = 3600.0


def job(client: str, number: int = 1, load: Load = DETECT, count: int = 1) -> Job:
    return Job(client, number, slot=0, count=count, load=load)


def waiting(patience: float = 0.0, most: int = 3, clients: int = 9) -> Waiting:
    made = Waiting({Kind.DETECT: most, Kind.EMBED: 8}, patience)
    made.expect(clients)
    return made


def names(jobs: Sequence[Job]) -> list[tuple[object, int]]:
    return [(one.client, one.number) for one in jobs]


def test_what_came_first_is_taken_first_with_those_of_its_kind_and_size() -> None:
    queue = waiting()
    for one in (
        job("a"),
        job("b", load=TALL),
        job("c", load=EMBED, count=5),
        job("d"),
        job("a", 2),
        job("e"),
        job("f", load=EMBED, count=4),
        job("g", load=EMBED, count=3),
    ):
        queue.put(one)
    assert names(queue.take()) == [("a", 1), ("d", 1), ("a", 2)]
    assert names(queue.take()) == [("b", 1)]
    assert names(queue.take()) == [("c", 1), ("g", 1)]  # 4 more do not fit into 8
    assert names(queue.take()) == [("e", 1)]
    assert names(queue.take()) == [("f", 1)]


def test_one_that_is_larger_than_the_most_goes_alone() -> None:
    queue = waiting()
    queue.put(job("a", load=EMBED, count=20))
    queue.put(job("b", load=EMBED, count=1))
    assert names(queue.take()) == [("a", 1)]


class Taker(threading.Thread):
    """Takes once."""

    def __init__(self, queue: Waiting) -> None:
        super().__init__(daemon=True)
        self.queue = queue
        self.taken: list[Job] | None = None
        self.start()

    def run(self) -> None:
        self.taken = self.queue.take()

    def end(self) -> list[tuple[object, int]]:
        self.join(60)
        assert self.taken is not None
        return names(self.taken)


def test_a_job_waits_for_others_until_there_are_enough() -> None:
    queue = waiting(patience=FOR_EVER, most=3, clients=9)
    taker = Taker(queue)
    for name in "ab":
        queue.put(job(name))
    taker.join(0.05)
    assert taker.taken is None
    queue.put(job("c"))
    assert taker.end() == [("a", 1), ("b", 1), ("c", 1)]


def test_nobody_waits_where_everybody_is_there() -> None:
    queue = waiting(patience=FOR_EVER, most=8, clients=2)
    queue.put(job("a"))
    queue.put(job("b", load=TALL))
    assert names(queue.take()) == [("a", 1)]
    taker = Taker(queue)  # b is not everybody
    taker.join(0.05)
    assert taker.taken is None
    queue.expect(1)  # the other one has gone
    assert taker.end() == [("b", 1)]


def test_the_wait_is_bounded() -> None:
    queue = waiting(patience=0.02, most=8)
    queue.put(job("a"))
    assert names(queue.take()) == [("a", 1)]


@pytest.mark.parametrize("jobs", [0, 1])
def test_the_end_reaches_everybody_who_waits(jobs: int) -> None:
    queue = waiting(patience=FOR_EVER)
    for number in range(jobs):
        queue.put(job("a", number))
    takers = [Taker(queue) for _ in range(3)]
    queue.close()
    assert [taker.end() for taker in takers] == [[], [], []]
