from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from pipeline.simulate.people import MINIMUM_DIFFERENCE, difference, sample_people


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("number", [6, 12, 30])
def test_at_least_a_third_share_their_upper_colour(seed: int, number: int) -> None:
    colours = Counter(p.upper_colour for p in sample_people(seed, number))
    shared = sum(count for count in colours.values() if count > 1)
    assert shared >= number / 3


@pytest.mark.parametrize("seed", range(12))
def test_any_two_differ_in_several_visible_attributes(seed: int) -> None:
    people = sample_people(seed, 12)
    assert min(difference(a, b) for a, b in itertools.combinations(people, 2)) >= MINIMUM_DIFFERENCE


def test_a_large_crowd_is_still_distinct() -> None:
    people = sample_people(3, 200)
    assert len(people) == 200
    assert min(difference(a, b) for a, b in itertools.combinations(people, 2)) >= 2.0


def test_the_seed_decides() -> None:
    assert sample_people(5, 8) == sample_people(5, 8)
    assert sample_people(5, 8) != sample_people(6, 8)
    assert [p.number for p in sample_people(5, 3, first=10)] == [10, 11, 12]


def test_difference_counts_strong_whole_and_weak_half() -> None:
    person = sample_people(1, 1)[0]
    assert difference(person, person) == 0
    other = "red" if person.upper_colour != "red" else "blue"
    assert difference(person, replace(person, upper_colour=other)) == 1
    assert difference(person, replace(person, hat="other")) == 0.5
