"""Clocks that differ or jump: estimated, put right, and harmless up to the tolerance."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.matcher.clocks import STEP, Clocks
from pipeline.records import TrackletKey
from tests.pipeline.matcher.shifted import followed, in_step, shifted, walkers
from tests.pipeline.matcher.synthetic import Script, engine


def clocks(tolerance: float = 5.0, **declared: tuple[float, float]) -> Clocks:
    """``declared`` by the letters of two cameras."""
    found = Clocks({(way[0], way[1]): seconds for way, seconds in declared.items()})
    found.tolerance = tolerance
    return found


def ways(target: Clocks, pair: str, ahead: float, count: int = 20, spread: float = 1.0) -> None:
    """People who go there and back in about four seconds, by clocks of which the second's is
    ahead.
    """
    rng = np.random.default_rng(3)
    for _ in range(count):
        target.learn_way(pair[0], pair[1], 4.0 + ahead + float(rng.normal(0, spread)))
        target.learn_way(pair[1], pair[0], 4.0 - ahead + float(rng.normal(0, spread)))


@pytest.mark.parametrize("ahead", [-4.5, -2.0, 1.0, 4.5])
def test_half_the_difference_of_there_and_back(ahead: float) -> None:
    target = clocks()
    ways(target, "ab", ahead)
    (lead,) = target.leads()
    assert lead.seconds == pytest.approx(ahead, abs=0.5)
    assert lead.seconds == pytest.approx(ahead, abs=3 * lead.error)
    assert lead.differs
    assert target.settle()
    assert target.between("a", "b") == pytest.approx(ahead, abs=0.5 + STEP)
    assert target.between("b", "a") == -target.between("a", "b")
    assert target.beyond() == {}


def test_the_one_that_is_wrong_is_told_from_those_that_agree() -> None:
    target = clocks()
    for pair, ahead in (("ab", 3.0), ("bc", -3.0), ("ac", 0.0), ("cd", 0.0), ("bd", -3.0)):
        ways(target, pair, ahead)
    target.settle()
    assert target.ahead.keys() == {"b"}
    assert target.ahead["b"] == pytest.approx(3.0, abs=0.5)


def test_clocks_that_agree_are_left_alone() -> None:
    target = clocks()
    ways(target, "ab", 0.3)
    assert not target.settle()
    assert target.ahead == {}
    assert not any(lead.differs for lead in target.leads())


def test_beyond_the_tolerance_it_is_said_and_not_put_right() -> None:
    target = clocks(tolerance=2.0)
    for pair, ahead in (("ab", 4.0), ("bc", -4.0), ("ac", 0.0)):
        ways(target, pair, ahead)
    assert not target.settle()
    assert target.ahead == {}
    assert target.beyond() == {"b": pytest.approx(4.0, abs=0.5)}


def test_where_all_go_one_way_only_what_cannot_be_is_said() -> None:
    def lead(gap: float, **declared: tuple[float, float]) -> float:
        target = clocks(**declared)
        for n in range(12):
            target.learn_way("a", "b", gap + 0.1 * (n % 3))
        return target.leads()[0].seconds

    assert lead(4.0) == 0.0  # any time is possible
    assert lead(-3.0) == pytest.approx(-2.9)  # before they left
    assert lead(4.0, ab=(8, 12)) == pytest.approx(-3.9)
    assert lead(9.0, ab=(8, 12)) == 0.0


def test_two_views_of_the_same_ground() -> None:
    rng, target = np.random.default_rng(5), clocks()
    for n in range(16):
        later = 2.0 + float(rng.normal(0, 0.6))
        target.learn_together("b", "a", later) if n % 2 else target.learn_together("a", "b", -later)
    (lead,) = target.leads()
    assert lead.seconds == pytest.approx(-2.0, abs=0.5)


def test_what_is_too_vague_is_not_believed() -> None:
    target = clocks()
    for n in range(16):
        target.learn_way("a", "b", -14.0 if n % 2 else 4.0)
    assert not target.settle()
    assert target.ahead == {}


def test_a_jump_is_noticed_and_what_was_before_is_let_go() -> None:
    target = clocks()
    ways(target, "ab", 0.0, count=24)
    ways(target, "ab", 4.0, count=16)
    (lead,) = target.leads()
    assert lead.jumps == 1
    assert lead.seconds == pytest.approx(4.0, abs=0.75)
    for _ in range(4):
        ways(target, "ab", 4.0)
    assert target.leads()[0].jumps == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.floats(-60, 60)), max_size=80
    )
)
def test_they_go_on_from_their_state(samples: list[tuple[str, str, float]]) -> None:
    target = clocks()
    for one, other, seconds in samples:
        if one != other:
            target.learn_way(one, other, seconds)
            target.settle()
    again = clocks()
    again.resume(json.loads(json.dumps(target.state)))
    assert again.leads() == target.leads()
    assert again.ahead == target.ahead
    assert again.settle() == target.settle()


def fragments(whose: dict[TrackletKey, int], scripts: Sequence[Script]) -> tuple[int, int]:
    """People, and identities beyond one for each of them; none holds two."""
    truth = {key: person for script in scripts for key, person in script.truth.items()}
    people: defaultdict[int, set[int]] = defaultdict(set)
    owners: defaultdict[int, set[int]] = defaultdict(set)
    for key, identity in whose.items():
        people[truth[key]].add(identity)
        owners[identity].add(truth[key])
    assert {len(own) for own in owners.values()} == {1}
    return len(people), sum(map(len, people.values())) - len(people)


def test_identities_hold_together_where_a_clock_is_seconds_ahead() -> None:
    scripts = walkers(21, seconds=240)
    plain = engine("ab", clock_tolerance=0.0)
    assert fragments(followed(plain, scripts, {"b": 4.0}), scripts)[1] >= 5  # it falls apart
    target = engine("ab")
    assert fragments(followed(target, scripts, {"b": 4.0}), scripts) == (8, 0)
    assert target.topology.clocks.between("a", "b") == pytest.approx(4.0, abs=0.75)


def test_right_clocks_are_not_touched() -> None:
    scripts = walkers(22, "abc", seconds=200)
    target = engine("abc")
    assert fragments(followed(target, scripts, {}), scripts) == (8, 0)
    assert target.topology.clocks.ahead == {}
    assert target.topology.clocks.beyond() == {}


def test_the_order_of_the_streams_changes_nothing() -> None:
    """As in a replay: of messages alone, whatever their order."""
    scripts = walkers(23, seconds=150)
    streams = [shifted(s.envelopes(), 3.0 if s.camera == "b" else 0.0) for s in scripts]
    one, other = engine("ab"), engine("ab")
    one.take(in_step(streams))
    other.take([message for stream in reversed(streams) for message in stream])
    assert one.topology.clocks.ahead == other.topology.clocks.ahead != {}
    assert one.topology.state == other.topology.state
