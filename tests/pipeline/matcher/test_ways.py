"""Ways are learned from counts: against a naive count, and what they must and must not say."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Topology as Declared
from pipeline.config import Transit
from pipeline.matcher.presence import Fit
from pipeline.matcher.scoring import MOST_AGAINST, MOST_FOR, TRANSIT_BONUS, terms
from pipeline.matcher.topology import Topology
from pipeline.matcher.ways import BINS, Support, Ways, place, seconds

EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.floats(0, 5000), st.booleans()),
    max_size=120,
)


def learned(followers: int = 100) -> Ways:
    """From a people go to b in about 10 s; others come there at any time within 200 s."""
    rng, ways = np.random.default_rng(1), Ways()
    for gap in rng.normal(10, 1.5, followers):
        ways.learn("a", "b", gap, own=True)
    for gap in rng.uniform(0, 200, 20 * followers):
        ways.learn("a", str(rng.choice(["b", "c"])), gap, own=False)
    return ways


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from("abc"), st.sampled_from("abc"), st.floats(0, 5000))
def test_support_is_what_a_naive_count_gives(
    events: list[tuple[str, str, float, bool]], origin: str, destination: str, gap: float
) -> None:
    ways = Ways()
    for one, other, time, own in events:
        ways.learn(one, other, time, own=own)

    def near(own: bool) -> float:
        weights = {-1: 0.25, 0: 0.5, 1: 0.25}
        total = 0.0
        for shift, weight in weights.items():
            at = min(max(place(gap) + shift, 0), BINS - 1)
            total += weight * sum(
                (o, d, place(t), w) == (origin, destination, at, own) for o, d, t, w in events
            )
        return total

    followers = sum(o == origin and w for o, _, _, w in events)
    others = sum(o == origin and not w for o, _, _, w in events)
    found = ways.support(origin, destination, gap)
    if followers < 6:
        assert found == Support()
    else:
        assert found.seen == pytest.approx(near(True))
        assert found.expected == pytest.approx(followers * near(False) / max(others, 1))


@given(EVENTS)
def test_it_goes_on_from_its_state(events: list[tuple[str, str, float, bool]]) -> None:
    ways = Ways()
    for one, other, time, own in events:
        ways.learn(one, other, time, own=own)
    again = Ways.of(json.loads(json.dumps(ways.state)))
    assert again.state == ways.state
    assert list(again.ways()) == list(ways.ways())
    assert again.support("a", "b", 9.0) == ways.support("a", "b", 9.0)


def test_bins_cover_all_times_in_order() -> None:
    edges = [seconds(b) for b in range(BINS)]
    assert edges[0] == 0
    assert edges == sorted(edges)
    assert [place(edge + 1e-6) for edge in edges] == list(range(BINS))
    assert place(1e9) == BINS - 1


def score(support: Support, gap: float = 10.0, window: tuple[float, float] | None = None) -> float:
    parts = terms(0.5, 0.0, 0.0, Fit(0, gap=gap, window=window, support=support))  # type: ignore[arg-type]
    return parts.get("transit", 0.0)


def test_the_usual_time_speaks_for_and_another_against() -> None:
    ways = learned()
    assert score(ways.support("a", "b", 10.0)) > 0.04
    assert score(ways.support("a", "b", 120.0)) < -0.01
    assert score(ways.support("a", "c", 10.0)) < -0.005


def test_at_first_anything_is_possible() -> None:
    assert learned(5).support("a", "b", 10.0) == Support()
    assert score(Support()) == 0.0


def test_what_is_declared_counts_until_it_is_seen_otherwise() -> None:
    declared = (2.0, 30.0)
    assert score(Support(), 10.0, declared) == pytest.approx(TRANSIT_BONUS)
    never = [score(Support(0.0, expected), 10.0, declared) for expected in (0.5, 5.0, 50.0)]
    assert TRANSIT_BONUS > never[0] > never[1] > never[2]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e5))
def test_no_way_outweighs_looks(seen: float, expected: float, gap: float) -> None:
    said = score(Support(seen, expected), gap, (1.0, 60.0))
    assert -MOST_AGAINST <= said <= MOST_FOR
    assert math.isfinite(said)


def test_some_wrong_links_change_little() -> None:
    ways, rng = learned(), np.random.default_rng(2)
    before = score(ways.support("a", "b", 10.0))
    for gap in rng.uniform(0, 200, 10):
        ways.learn("a", str(rng.choice(["b", "c"])), gap, own=True)
    assert score(ways.support("a", "b", 10.0)) == pytest.approx(before, abs=0.01)
    assert score(ways.support("a", "c", 10.0)) < 0.02


def test_the_old_fades() -> None:
    """After the camera was moved, another way takes over."""
    ways, rng = learned(300), np.random.default_rng(3)
    for gap in rng.normal(40, 3, 1200):
        ways.learn("a", "b", gap, own=True)
        ways.learn("a", "b", float(rng.uniform(0, 200)), own=False)
    assert score(ways.support("a", "b", 40.0)) > 0.04
    assert score(ways.support("a", "b", 10.0)) < 0


def test_ways_are_told_with_their_times() -> None:
    (way,) = learned().ways()
    assert (way.origin, way.destination, way.count, way.share) == ("a", "b", 100, 1.0)
    low, middle, high = way.seconds
    assert 7 < low < middle < high < 14
    assert middle == pytest.approx(10, abs=1)


def test_the_topology_goes_on_from_its_state() -> None:
    transit = Transit.model_validate({"from": "a", "to": "b", "seconds": [2, 30]})
    topology = Topology(Declared(transit=(transit,)))
    topology.ways = learned()
    again = Topology(Declared())
    assert not again.has_transit
    again.resume(topology.state)
    assert again.has_transit
    assert again.support("a", "b", 10.0) == topology.support("a", "b", 10.0)
    again.resume("")
    assert again.support("a", "b", 10.0) == Support()
