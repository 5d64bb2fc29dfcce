from __future__ import annotations

import pytest

from pipeline.recording.arrival import Arrival, ClockJumpError


def test_what_is_held_up_on_the_way_is_put_back_in_time() -> None:
    arrival = Arrival()
    delays = [0.05, 0.05, 0.9, 0.8, 0.05, 0.3]
    times = [arrival.capture(n * 0.1, 1000 + n * 0.1 + d) for n, d in enumerate(delays)]
    assert times == pytest.approx([1000.05 + n * 0.1 for n in range(6)])


def test_a_clock_that_runs_fast_or_slow_is_followed() -> None:
    for pace in (1.0005, 0.9995):
        arrival = Arrival()
        found = [(1000 + n, arrival.capture(n * pace, 1000 + n)) for n in range(7200)]
        # After two hours the clocks are 3.6 s apart; what was measured in a minute is 0.03 s off.
        assert all(abs(a - b) <= 0.031 for a, b in found)


@pytest.mark.parametrize("jump", [-60.0, 7.0])
def test_a_clock_that_is_set_is_noticed(jump: float) -> None:
    arrival = Arrival()
    arrival.capture(10.0, 1000.0)
    arrival.capture(10.1, 1000.1)
    with pytest.raises(ClockJumpError):
        arrival.capture(10.2 + jump, 1000.2)
