"""The rules of place and time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.config import Matcher, Transit
from pipeline.config import Topology as Declared
from pipeline.matcher.presence import Fit, Standing, Timeline, Visit, beside, standing
from pipeline.matcher.scoring import Thresholds, terms
from pipeline.matcher.topology import Topology
from pipeline.records import Path, TrackletKey

POSSIBLE, WAIT, IMPOSSIBLE = Standing
WAY = Transit.model_validate({"from": "a", "to": "b", "seconds": (5, 10)})
TOPOLOGY = Topology(Declared(overlap=(("a", "o"),), transit=(WAY,)))


def visit(camera: str, start: float, end: float, ended: bool = True, track: int = 1) -> Visit:
    return Visit(TrackletKey(camera, "R", track), start, end, ended)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (visit("a", 0, 5), visit("a", 4, 8), IMPOSSIBLE),
        (visit("a", 0, 5), visit("a", 5, 8), IMPOSSIBLE),  # in one frame both
        (visit("a", 0, 5), visit("a", 5.1, 8), POSSIBLE),
        (visit("a", 0, 5, ended=False), visit("a", 5.1, 8), WAIT),
        (visit("a", 0, 5), visit("a", 5.1, 8, ended=False), POSSIBLE),
        (visit("a", 0, 5), visit("b", 4.9, 8), POSSIBLE),  # clocks disagree a little
        (visit("a", 0, 5), visit("b", 4.7, 8), IMPOSSIBLE),
        (visit("a", 0, 5), visit("b", 1, 2), IMPOSSIBLE),
        (visit("a", 0, 5), visit("o", 1, 2), POSSIBLE),
        (visit("a", 0, 5, ended=False), visit("o", 6, 7), POSSIBLE),
    ],
)
def test_standing(one: Visit, other: Visit, expected: Standing) -> None:
    assert standing(one, other, TOPOLOGY) is expected
    assert standing(other, one, TOPOLOGY) is expected


def fit_of(candidate: Visit, *others: Visit) -> Fit:
    timeline = Timeline()
    for other in others:
        timeline.add(other)
    return timeline.fit(candidate, TOPOLOGY)


def test_the_way_must_be_possible_on_both_sides() -> None:
    assert fit_of(visit("b", 8, 9), visit("a", 0, 5)).standing is IMPOSSIBLE
    assert fit_of(visit("b", 9.6, 12), visit("a", 0, 5)).standing is POSSIBLE
    # decided late: she was in b already, and left a only just before
    assert fit_of(visit("a", 0, 5), visit("b", 8, 9)).standing is IMPOSSIBLE
    assert fit_of(visit("a", 0, 5), visit("b", 11, 12)).standing is POSSIBLE
    # by way of a third camera nothing is declared
    assert fit_of(visit("b", 8, 9), visit("a", 0, 5), visit("c", 6, 7)).standing is POSSIBLE


def test_the_visit_before_counts() -> None:
    fit = fit_of(visit("b", 20, 30), visit("a", 0, 5), visit("a", 6, 13), visit("a", 40, 50))
    assert (fit.gap, fit.window) == (7, (5, 10))
    assert math.isnan(fit.offset)
    assert fit_of(visit("b", 20, 30)) == Fit(POSSIBLE, math.nan)


def walking(camera: str, start: float, x: float, speed: float, track: int = 1) -> Visit:
    path = Path.of(
        [(start + t, 1, (x + speed * t, 0, x + speed * t + 40, 100)) for t in (0, 0.25, 0.5, 0.75)]
    )
    result = visit(camera, start, start + 0.75, track=track)
    result.follow(path)
    return result


def test_where_a_track_led_and_where_the_next_begins() -> None:
    before = walking("a", 0, 0, 80)
    assert fit_of(walking("a", 1.75, 140, 80), before).offset == pytest.approx(0.0, abs=1e-5)
    assert fit_of(walking("a", 1.75, 240, 80), before).offset == pytest.approx(1.0)
    assert math.isnan(fit_of(walking("b", 1.75, 140, 80), before).offset)
    assert math.isnan(fit_of(walking("a", 4, 140, 80), before).offset)  # too long ago
    before.forget_boxes()
    assert math.isnan(fit_of(walking("a", 1.75, 140, 80), before).offset)


def test_a_track_handed_over_is_one_place() -> None:
    before = walking("a", 0, 0, 80)  # until 0.75, at 60
    assert standing(before, walking("a", 0.55, 44, 80, 2), TOPOLOGY) is POSSIBLE
    assert standing(before, walking("a", 0.55, 300, 80, 2), TOPOLOGY) is IMPOSSIBLE
    assert standing(before, walking("a", 0.45, 36, 80, 2), TOPOLOGY) is IMPOSSIBLE  # for too long


def test_pruning_changes_no_answer() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        starts = np.cumsum(rng.uniform(1, 20, 12))
        visits = [
            visit(str(rng.choice(["a", "b", "c"])), s, s + float(rng.uniform(0, 1)), track=n)
            for n, s in enumerate(starts.tolist())
        ]
        full, pruned = Timeline(), Timeline()
        for v in visits:
            full.add(v)
            pruned.add(v)
        horizon = float(rng.uniform(0, 150))
        pruned.prune(horizon)
        start = horizon + float(rng.uniform(0.5, 20))
        candidate = visit(str(rng.choice(["a", "b", "c"])), start, start + 2, track=99)
        assert str(full.fit(candidate, TOPOLOGY)) == str(pruned.fit(candidate, TOPOLOGY))
        assert len(pruned) <= len(full)


def test_the_terms_of_the_score() -> None:
    assert terms(0.7, 0.0, 0.0, Fit(POSSIBLE, 3.0)) == {"similarity": 0.7}
    assert terms(0.7, 0.0, -0.1, Fit(POSSIBLE, 3.0)) == {"similarity": 0.7, "lookalikes": -0.1}
    assert terms(0.7, 0.02, 0.0, Fit(POSSIBLE, 3.0)) == {"similarity": 0.7, "cameras": 0.02}
    assert terms(0.7, 0.0, 0.0, Fit(POSSIBLE, 8.0, (5, 10)))["transit"] == 0.05
    assert terms(0.7, 0.0, 0.0, Fit(POSSIBLE, 15.0, (5, 10)))["transit"] == -0.04
    assert terms(0.7, 0.0, 0.0, Fit(POSSIBLE, 900.0, (5, 10)))["transit"] == -0.08
    assert terms(0.7, 0.0, 0.0, Fit(POSSIBLE, 0.0, offset=0.0))["continuation"] == 0.1
    assert terms(0.7, 0.0, 0.0, Fit(POSSIBLE, 0.0, offset=3.0))["continuation"] == 0.0


def test_thresholds_come_from_the_configuration_then_the_encoder() -> None:
    def of(
        accept: float | None, new: float | None, *encoder: float | None
    ) -> tuple[float, float] | None:
        config = Matcher(accept=accept, new=new)  # type: ignore[call-arg]
        found = Thresholds.of(config, *encoder)
        return (found.accept, found.new) if found else None

    assert of(None, None, None, None) is None
    assert of(0.8, None, None, None) is None
    assert of(0.8, 0.3, None, None) == (0.8, 0.3)
    assert of(None, None, 0.7, 0.4) == (0.7, 0.4)
    assert of(0.8, None, 0.7, 0.4) == (0.8, 0.4)
    assert of(0.3, None, 0.7, 0.4) == (0.3, 0.3)
    assert of(None, 0.9, 0.7, 0.4) == (0.9, 0.9)


@pytest.mark.parametrize(
    ("other", "expected"),
    [((200, 0, 240, 100), True), ((30, 0, 70, 100), False), ((0, 120, 40, 220), True)],
)
def test_two_are_beside_each_other_where_their_boxes_do_not_touch(
    other: tuple[int, ...], expected: bool
) -> None:
    one, two = (Visit(TrackletKey("a", "r", track), 0.0, 5.0) for track in (1, 2))
    one.last_box = np.array((0, 0, 40, 100), np.float32)
    assert not beside(one, two)  # nothing is known of the other's box
    two.last_box = np.array(other, np.float32)
    assert beside(one, two) is expected
    elsewhere = Visit(TrackletKey("b", "r", 3), 0.0, 5.0, last_box=two.last_box)
    assert not beside(one, elsewhere)
