"""How nearly something else was decided."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.matcher.decision import Choice
from pipeline.matcher.options import Option
from pipeline.matcher.presence import Standing, Visit
from pipeline.matcher.scoring import (
    CERTAIN,
    CERTAIN_NEW,
    LOG_ODDS,
    STEEPNESS,
    Thresholds,
    confidence,
)
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import TrackletKey

TRACKLET = Tracklet(Visit(TrackletKey("a", "r", 1), 0.0, 1.0))


def option(score: float | None) -> Option | None:
    if score is None:
        return None
    return Option(1, Standing.POSSIBLE, {"similarity": score}, score)


@pytest.mark.parametrize(
    ("chosen", "runner_up", "doubt"),
    [  # the middle between 0.5 and 0.7 is the line; the band is 0.2 wide
        (0.6, None, 1.0),
        (0.7, None, 0.5),
        (0.8, None, None),
        (0.95, None, None),
        (0.95, 0.93, 0.9),
        (0.95, 0.75, None),
        (0.7, 0.67, 0.85),
        (None, 0.59, 0.95),
        (None, 0.5, 0.5),
        (None, None, None),
    ],
)
def test_doubt(chosen: float | None, runner_up: float | None, doubt: float | None) -> None:
    choice = Choice(TRACKLET, option(chosen), option(runner_up), "alike")
    found = choice.doubt(Thresholds(0.7, 0.5, 5.0))
    assert found == (None if doubt is None else pytest.approx(doubt))


def test_doubt_where_one_threshold_is_all() -> None:
    choice = Choice(TRACKLET, option(0.5), None, "alike")
    assert choice.doubt(Thresholds(0.5, 0.5, 5.0)) == 1.0


@given(
    st.one_of(st.none(), st.floats(-1, 1.2)),
    st.one_of(st.none(), st.floats(-1, 1.2)),
    st.floats(0.3, 0.6),
    st.floats(0.05, 0.3),
)
def test_confidence_is_that_of_its_formula(
    own: float | None, runner_up: float | None, new: float, band: float
) -> None:
    found = confidence(own, runner_up, Thresholds(new + band, new, 4.0))
    odds = [
        math.exp(LOG_ODDS + STEEPNESS * (score - new - band / 2) / band)
        for score in (own, runner_up)
        if score is not None
    ]
    chosen = CERTAIN * odds[0] if own is not None else CERTAIN_NEW
    expected = chosen / (1 + sum(odds))
    assert found == pytest.approx(expected, abs=1e-4)
    assert 0 <= found <= 1


def test_a_rival_and_a_low_score_make_less_sure() -> None:
    thresholds = Thresholds(0.7, 0.5, 4.0)
    alone, lower, rivalled = (
        confidence(own, other, thresholds)
        for own, other in ((0.8, None), (0.65, None), (0.8, 0.79))
    )
    assert alone > lower
    assert alone > rivalled
    assert rivalled < 0.6
