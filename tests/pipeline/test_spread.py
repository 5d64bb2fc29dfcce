"""Running mean and variance against numpy, and the line between two kinds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.spread import Spread, between


def test_mean_and_variance_are_those_of_all_samples() -> None:
    values = np.random.default_rng(1).normal(0.4, 0.2, 300)
    spread = Spread()
    for value in values:
        spread.add(float(value))
    assert spread.mean == pytest.approx(values.mean(), abs=1e-12)
    assert spread.deviation == pytest.approx(values.std(), abs=1e-12)


def test_old_samples_fade() -> None:
    spread = Spread()
    for value in [0.0] * 1000 + [1.0] * 2000:
        spread.add(value)
    assert spread.mean > 0.95


def test_the_line_is_as_many_deviations_from_both() -> None:
    same, other = Spread(9, 0.9, 0.05**2), Spread(9, 0.5, 0.15**2)
    line = between(same, other)
    assert (same.mean - line) / 0.05 == pytest.approx((line - other.mean) / 0.15)


def test_kinds_that_cannot_be_told_apart_have_no_line() -> None:
    assert math.isnan(between(Spread(9, 0.4, 0.01), Spread(9, 0.5, 0.01)))
    assert math.isnan(between(Spread(9, 0.6, 0.0), Spread(9, 0.5, 0.0)))
