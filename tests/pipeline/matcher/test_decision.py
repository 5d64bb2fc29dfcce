"""How nearly something else was decided."""

from __future__ import annotations

import pytest

from pipeline.matcher.decision import Choice, Option
from pipeline.matcher.presence import Standing, Visit
from pipeline.matcher.scoring import Thresholds
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
