from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.supervise.policy import USER_ERROR, RestartPolicy


def test_waits_double_up_to_the_longest() -> None:
    policy = RestartPolicy(limit=100)
    for death in range(12):
        doubled = min(0.5 * 2**death, 30.0)
        assert doubled / 2 <= policy.died(1.0, 1) <= doubled
    assert not policy.quarantined


def test_what_keeps_dying_is_quarantined_and_tried_slowly() -> None:
    policy = RestartPolicy()
    assert all(policy.died(1.0, -9) <= 8.0 for _ in range(4))
    assert not policy.quarantined
    assert policy.died(1.0, -9) >= 30.0
    assert policy.quarantined


def test_a_user_error_is_quarantined_at_once() -> None:
    policy = RestartPolicy()
    assert policy.died(1.0, USER_ERROR) >= 30.0
    assert policy.quarantined


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([-9, 1, 2])), max_size=50))
def test_a_long_life_forgives(history: list[tuple[float, int]]) -> None:
    policy = RestartPolicy()
    for lived, status in history:
        assert 0 < policy.died(lived, status) <= 60.0
    assert policy.died(policy.fast, 1) <= policy.base
    assert not policy.quarantined


def test_thousands_of_deaths_do_not_overflow() -> None:
    policy = RestartPolicy(deaths=100_000, limit=10**9)
    assert policy.died(0.0, 1) <= 30.0
