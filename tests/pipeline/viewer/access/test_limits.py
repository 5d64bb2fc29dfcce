"""Limits, beside plain counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.viewer.access.limits import Backoff, Quota
from tests.pipeline.viewer.access.conftest import Clock


@given(st.lists(st.floats(0, 40), max_size=60))
def test_no_more_than_so_many_within_the_time(steps: list[float]) -> None:
    clock, taken = Clock(), []
    quota = Quota(5, 60, clock)
    for step in steps:
        clock.now += step
        lately = [time for time in taken if time > clock.now - 60]
        wait = quota.take("ada")
        assert (wait == 0) is (len(lately) < 5)
        if wait == 0:
            taken.append(clock.now)
        else:
            assert abs(wait - (lately[0] + 60 - clock.now)) < 1e-6


def test_failures_cost_twice_as_much_each_time() -> None:
    clock = Clock()
    backoff = Backoff(free=3, longest=10, quiet=100, clock=clock)
    waits = []
    for _ in range(9):
        assert backoff.attempt("ada") == 0
        waits.append(backoff.attempt("ada") if len(waits) >= 2 else 0)
        clock.now += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 10, 10, 10]
    assert backoff.attempt("bob") == 0
    clock.now += 101
    for _ in range(3):
        assert backoff.attempt("ada") == 0


def test_what_went_well_is_taken_back_alone() -> None:
    clock = Clock()
    backoff = Backoff(free=2, longest=10, quiet=100, clock=clock)
    for _ in range(20):
        assert backoff.attempt("office") == 0
        backoff.take_back("office")
    assert backoff.attempt("office") == 0
    assert backoff.attempt("office") == 0
    assert backoff.attempt("office") > 0
    backoff.forgive("office")
    assert backoff.attempt("office") == 0


def test_strangers_do_not_fill_the_memory() -> None:
    clock = Clock()
    backoff, quota = Backoff(1, 10, 100, clock), Quota(1, 10, clock)
    for number in range(10_500):
        backoff.attempt(number)
        quota.take(number)
    assert len(backoff._tries) == len(quota._taken) == 10_000
