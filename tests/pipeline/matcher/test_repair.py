"""Grouping anew: against a naive evaluation, and what it must never do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Topology as Declared
from pipeline.config import Transit
from pipeline.matcher.presence import CONTINUATION_SECONDS, Visit, compatible
from pipeline.matcher.repair import (
    COMMON,
    SUPPORT,
    Recent,
    _relations,
    find_repairs,
    regroup,
)
from pipeline.matcher.scoring import Thresholds, support
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import Assignment, Decision, FloatArray, TrackletKey

THRESHOLDS = Thresholds(accept=0.7, new=0.5, patience=4.0)
BAND = 0.2


def recent(
    similarity: Sequence[Sequence[float]],
    labels: Sequence[int],
    apart: Sequence[tuple[int, int]] = (),
    fixed: Sequence[int] = (),
    support: Sequence[tuple[int, int]] = (),
    seconds: Sequence[float] | None = None,
) -> Recent:
    n = len(labels)

    def pairs(chosen: Sequence[tuple[int, int]]) -> np.ndarray:
        matrix = np.zeros((n, n), np.bool_)
        for i, j in chosen:
            matrix[i, j] = matrix[j, i] = True
        return matrix

    return Recent(
        similarity=np.array(similarity, float),
        shifts=np.zeros((n, n)),
        support=pairs(support).astype(float),
        apart=pairs(apart),
        sizes=np.ones(n),
        labels=np.array(labels),
        fixed=np.isin(np.arange(n), fixed),
        seconds=np.array(seconds or [5.0] * n),
        party=np.arange(n),
    )


def pair(similarity: float, labels: Sequence[int], **options: object) -> list[int]:
    matrix = [[1.0, similarity], [similarity, 1.0]]
    return regroup(recent(matrix, labels, **options), THRESHOLDS).tolist()  # type: ignore[arg-type]


def test_two_single_tracklets_need_the_middle() -> None:
    assert pair(0.61, [1, 2]) == [1, 1]
    assert pair(0.59, [1, 2]) == [1, 2]


def test_who_is_together_stays_while_it_is_not_clearly_wrong() -> None:
    assert pair(0.55, [1, 1]) == [1, 1]
    assert pair(0.55, [1, 2]) == [1, 2]
    assert len(set(pair(0.40, [1, 1]))) == 2


def test_a_declared_transit_speaks_for_them() -> None:
    between = 0.60 - SUPPORT * BAND + 0.005
    assert pair(between, [1, 2], support=[(0, 1)]) == [1, 1]
    assert pair(between, [1, 2]) == [1, 2]


def test_who_cannot_be_together_never_is() -> None:
    assert len(set(pair(0.99, [1, 1], apart=[(0, 1)]))) == 2


def test_older_parts_of_two_identities_are_not_merged_and_keep_their_names() -> None:
    assert pair(0.99, [1, 2], fixed=[0, 1]) == [1, 2]
    assert pair(0.99, [1, 2], fixed=[1]) == [2, 2]


def test_of_two_names_the_older_survives() -> None:
    similarity = np.full((3, 3), 0.9)
    assert regroup(recent(similarity, [7, 7, 4], seconds=[9, 9, 1]), THRESHOLDS).tolist() == [4] * 3


def test_where_one_is_split_the_longer_part_keeps_the_name() -> None:
    similarity = [[1.0, 0.1, 0.1], [0.1, 1.0, 0.9], [0.1, 0.9, 1.0]]
    groups = regroup(recent(similarity, [4, 4, 4], seconds=[5, 4, 3]), THRESHOLDS)
    assert groups[0] < 0
    assert groups[1:].tolist() == [4, 4]


def test_large_groups_need_less_than_single_tracklets() -> None:
    """Two groups of three, 0.585 alike: too little for two tracklets, enough for nine pairs."""
    similarity = np.full((6, 6), 0.585)
    similarity[:3, :3] = similarity[3:, 3:] = 0.9
    assert len(set(regroup(recent(similarity, range(1, 7)), THRESHOLDS).tolist())) == 1
    assert pair(0.585, [1, 2]) == [1, 2]


def test_people_who_look_alike_are_not_one_because_they_often_do() -> None:
    """Two groups of 20, 0.56 alike in all their pictures."""
    similarity = np.full((40, 40), 0.56)
    similarity[:20, :20] = similarity[20:, 20:] = 0.9
    labels = [1] * 20 + [2] * 20
    assert regroup(recent(similarity, labels), THRESHOLDS).tolist() == labels


def test_one_that_was_taken_for_another_is_moved() -> None:
    """Tracklet 2 was given to 1, and is like those of 2."""
    similarity = np.full((5, 5), 0.3)
    for group in ([0, 1], [2, 3, 4]):
        similarity[np.ix_(group, group)] = 0.9
    labels = [1, 1, 1, 2, 2]
    assert regroup(recent(similarity, labels), THRESHOLDS).tolist() == [1, 1, 2, 2, 2]


def naive_link(similarity: np.ndarray, apart: np.ndarray, needed: float) -> list[set[int]]:
    """Average linkage by its definition: the mean over all pairs, computed afresh each time."""
    groups = [{i} for i in range(len(similarity))]
    while True:
        best = None
        for i in range(len(groups)):
            for j in range(i):
                cross = [(a, b) for a in groups[i] for b in groups[j]]
                if any(apart[a, b] for a, b in cross):
                    continue
                mean = sum(similarity[a, b] for a, b in cross) / len(cross)
                varies = COMMON + (1 - COMMON) / len(cross)
                threshold = 0.5 + (needed - 0.5) * math.sqrt(varies)
                if mean >= threshold and (best is None or mean - threshold > best[0]):
                    best = mean - threshold, i, j
        if best is None:
            return groups
        groups[best[2]] |= groups[best[1]]
        del groups[best[1]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_linkage_is_that_of_the_definition(seed: int, n: int) -> None:
    """Where no single one would rather move, the result is plain constrained average linkage."""
    rng = np.random.default_rng(seed)
    people = rng.integers(0, 3, n)
    similarity = np.where(people[:, None] == people, 0.85, 0.35) + rng.normal(0, 0.02, (n, n))
    similarity = (similarity + similarity.T) / 2
    apart = np.triu(rng.random((n, n)) < 0.1, 1)
    apart = (apart | apart.T) & (people[:, None] != people)
    who = recent(similarity, list(range(1, n + 1)))
    who = replace(who, similarity=similarity, apart=apart)
    groups = regroup(who, THRESHOLDS)
    expected = naive_link(similarity, apart, THRESHOLDS.middle)
    found = {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}
    assert found == {frozenset(group) for group in expected}


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14))
def test_rules_hold_for_anything_and_a_second_time_changes_nothing(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0, 1, (n, n))
    apart = np.triu(rng.random((n, n)) < 0.3, 1)
    labels = rng.integers(1, n + 1, n)
    fixed = np.zeros(n, np.bool_)
    fixed[np.unique(labels, return_index=True)[1]] = rng.random(len(np.unique(labels))) < 0.4
    who = Recent(
        (noise + noise.T) / 2,
        np.zeros((n, n)),
        np.zeros((n, n)),
        apart | apart.T,
        np.ones(n),
        labels,
        fixed,
        rng.uniform(0, 9, n),
        np.arange(n),
    )
    once = regroup(who, THRESHOLDS)
    assert not (who.apart & (once[:, None] == once)).any()
    assert (once[fixed] == labels[fixed]).all()
    fresh = {g: 100 + i for i, g in enumerate(sorted(set(once[once < 0].tolist())))}
    named = np.array([fresh.get(g, g) for g in once.tolist()])
    for _ in range(n + 1):  # it comes to rest, and never goes round in circles
        who = replace(who, labels=named)
        again = regroup(who, THRESHOLDS)
        if (again == named).all():
            return
        named = np.where(again < 0, again.max() + 1 - again, again)
    raise AssertionError("it does not come to rest")


def decided(track: int, identity: int, embedding: FloatArray) -> Tracklet:
    key = TrackletKey("a", "r", track)
    tracklet = Tracklet(Visit(key, 0.0, 5.0, ended=True), embedding=embedding)
    tracklet.assignment = Assignment(key, identity, Decision.NEW, math.nan, math.nan, 5.0)
    return tracklet


def test_repairs_name_who_moves_and_how_alike_the_others_are() -> None:
    embedding = np.array([1.0, 0.0], np.float32)
    tracklets = [decided(track, identity, embedding) for track, identity in ((1, 4), (2, 5))]
    who = replace(recent([[1, 0.9], [0.9, 1]], [4, 5]), support=np.array([[0, 0.5], [0.5, 0]]))
    (repair,) = find_repairs(tracklets, who, np.array([4, 4]), THRESHOLDS, None)
    assert (repair.tracklet.key.track, repair.former, repair.identity) == (2, 5, 4)
    assert repair.similarity == pytest.approx(0.9)
    band = THRESHOLDS.accept - THRESHOLDS.new
    assert repair.support == pytest.approx(SUPPORT * band * 0.5)
    (alone,) = find_repairs(tracklets, who, np.array([4, -1]), THRESHOLDS, None)
    assert math.isnan(alone.similarity)
    assert alone.identity == -1


def sure(similarity: Sequence[Sequence[float]], groups: Sequence[int]) -> float:
    """Of moving the last tracklet, which is alone or of identity 5 with the one before it."""
    labels = [4, 4, 5, 5][-len(similarity) :]
    tracklets = [
        decided(track, identity, np.array([1.0, 0.0], np.float32))
        for track, identity in enumerate(labels)
    ]
    who = recent(similarity, labels)
    (repair,) = find_repairs(tracklets, who, np.array(groups), THRESHOLDS, None)
    assert repair.tracklet is tracklets[-1]
    return repair.confidence


def test_a_repair_is_the_surer_the_more_speaks_for_it() -> None:
    def apart(here: float, there: float) -> list[list[float]]:
        others = [[1, 0.8, 0, here], [0.8, 1, 0, here], [0, 0, 1, there]]
        return [*others, [here, here, there, 1]]

    clear, doubtful = (sure(apart(h, t), [4, 4, 5, 4]) for h, t in ((0.9, 0.1), (0.65, 0.6)))
    assert 0.95 < clear <= 1
    assert 0.5 < doubtful < clear
    assert sure([[1, 0, 0], [0, 1, 0.2], [0, 0.2, 1]], [4, 5, -1]) < 0.5  # seldom somebody new
    alike = sure([[1, 0, 0.62], [0, 1, 0.2], [0.62, 0.2, 1]], [4, 5, 4])
    assert alike > sure([[1, 0, 0.62], [0, 1, 0.6], [0.62, 0.6, 1]], [4, 5, 4])


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_relations_are_those_of_each_pair_of_visits(seed: int, learned: bool) -> None:
    rng = np.random.default_rng(seed)
    way = Transit.model_validate({"from": "b", "to": "c", "seconds": (1.0, 20.0)})
    topology = Topology(Declared(overlap=(("a", "b"),), transit=(way,)))
    for _ in range(20 if learned else 0):
        topology.ways.learn("d", "e", 2.0, own=True)
        topology.ways.learn("d", "d", 30.0, own=True)
    parties, track = [], 0
    for _ in range(30):
        party = []
        for _ in range(int(rng.integers(1, 3))):
            track += 1
            start = float(np.round(rng.uniform(0, 90), 2))
            end = start + float(rng.choice([0.0, 1.5, 4.0]))
            key = TrackletKey(str(rng.choice(list("abcde"))), "R", track)
            party.append(Visit(key, start, end, ended=bool(rng.random() < 0.8)))
        parties.append(party)
    apart, backing = _relations(parties, topology)
    reach = max(20.0, CONTINUATION_SECONDS)
    backed = 0
    for i, one in enumerate(parties):
        for j, other in enumerate(parties):
            near = [
                (a, b)
                for a in one
                for b in other
                if not (a.ended and b.start - a.end > reach)
                and not (b.ended and a.start - b.end > reach)
            ]
            possible = i == j or all(compatible(a, b, topology) for a, b in near)
            assert apart[i, j] == (not possible)
            if i != j and possible:
                expected = max((support(a, b, topology) for a, b in near), default=0.0)
                assert backing[i, j] == expected
                backed += expected > 0
    assert backed
    assert 0 < apart.mean() < 1
