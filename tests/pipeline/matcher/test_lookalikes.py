"""How much it says that two are alike, where many look alike."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.matcher.lookalikes import NEAREST, Crowd, Lookalikes
from pipeline.matcher.repair import weighed
from pipeline.matcher.scoring import Thresholds
from tests.pipeline.matcher.test_repair import recent

THRESHOLDS = Thresholds(accept=0.6, new=0.4, patience=4.0)
OTHERS = NormalDist(0.0, 0.15)


def site(people: int = 30) -> Lookalikes:
    return Lookalikes(OTHERS, people, THRESHOLDS)


def test_a_similarity_says_as_much_as_its_log_odds() -> None:
    """Of two normal distributions around 0 and 0.6, the first of which has come nearer by 0.2: the
    similarity that has the same odds where it has not. The line between them is in the middle.
    """
    same, deviation, nearer = 0.6, 0.15, 0.2
    around = Thresholds(accept=same, new=0.0, patience=4.0)
    lookalikes = Lookalikes(NormalDist(0.0, deviation), 30, around)

    def log_odds(similarity: float, others: float) -> float:
        densities = (-(((similarity - mean) / deviation) ** 2) / 2 for mean in (same, others))
        one, other = densities
        return one - other

    for similarity in np.linspace(0.45, 1.0, 12).tolist():
        found = float(lookalikes.effective(similarity, lookalikes.usual + nearer))
        assert log_odds(found, 0.0) == pytest.approx(log_odds(similarity, nearer))


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 10_000))
def test_it_never_says_more_and_less_the_more_look_alike(
    similarity: float, crowding: float, people: int
) -> None:
    lookalikes = site(people)
    found = float(lookalikes.effective(similarity, crowding))
    assert found <= similarity
    if crowding <= lookalikes.usual:
        assert found == pytest.approx(similarity)
    higher = float(lookalikes.effective(similarity + 0.01, crowding))
    assert higher > found
    if similarity >= THRESHOLDS.accept:
        assert float(lookalikes.effective(similarity, crowding + 0.1)) <= found + 1e-9


@pytest.mark.parametrize("people", [3, 30, 150])
def test_what_is_usual_is_what_random_people_have_around_them(people: int) -> None:
    rng = np.random.default_rng(people)
    drawn = -np.sort(-rng.normal(OTHERS.mean, OTHERS.stdev, (4000, people - 1)), axis=1)
    nearest = min(NEAREST, people - 1)
    assert site(people).usual == pytest.approx(drawn[:, :nearest].mean(), abs=0.04)


def test_crowding_is_the_mean_of_the_nearest_and_nobody_is_like_others_are() -> None:
    lookalikes = site()
    assert float(lookalikes.crowding([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])) == pytest.approx(0.7)
    assert float(lookalikes.crowding([0.5])) == pytest.approx(0.1)
    assert float(lookalikes.crowding([])) == 0.0
    assert lookalikes.crowding([[0.5, -math.inf], [0.5, 0.5]]).tolist() == [0.1, 0.2]


def test_repair_weighs_similarities_by_the_people_around_both() -> None:
    """Against a loop; nobody is around whom the same identity holds."""
    rng, labels = np.random.default_rng(1), [1, 1, 2, 3, 3, 3, 4, 5, 6, 7]
    noise = rng.uniform(0.2, 0.9, (10, 10))
    who = recent(((noise + noise.T) / 2).tolist(), labels)
    lookalikes = site()
    found = weighed(who, lookalikes)
    around = []
    for row in range(10):
        best = {
            other: max(
                float(who.similarity[row, column])
                for column in range(10)
                if labels[column] == other
            )
            for other in set(labels) - {labels[row]}
        }
        around.append(sum(sorted(best.values())[-NEAREST:]) / NEAREST)
    for i in range(10):
        for j in range(10):
            crowding = (around[i] + around[j]) / 2
            expected = lookalikes.effective(who.similarity[i, j], crowding)
            assert found.similarity[i, j] == pytest.approx(float(expected))
    np.testing.assert_array_equal(weighed(who, None).similarity, who.similarity)


@given(
    st.lists(st.dictionaries(st.integers(1, 9), st.floats(-1, 1), max_size=9), min_size=1),
    st.integers(1, 9),
)
def test_a_crowd_is_of_others(around: list[dict[int, float]], own: int) -> None:
    nearest = [dict(sorted(near.items(), key=lambda item: -item[1])) for near in around]
    found = Crowd(nearest).others(range(len(nearest)), [own] * len(nearest))
    for row, near in zip(found.tolist(), nearest, strict=True):
        naive = [alike for number, alike in near.items() if number != own][:NEAREST]
        assert row == naive + [-math.inf] * (NEAREST - len(naive))
