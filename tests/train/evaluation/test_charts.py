"""Curves, read back from their points."""

from __future__ import annotations

import numpy as np

from train.evaluation.charts import HEIGHT, WIDTH, Chart, roc_chart
from train.evaluation.spread import Spread


def curve(chart: Chart, name: str) -> list[tuple[float, float]]:
    """(FPR, TPR) from the pixels, by the ticks of the axes."""
    (line,) = (line for line in chart.lines if line.label == name)
    found = []
    places = [tick.place for tick in chart.x_ticks]
    for point in line.points.split():
        x, y = map(float, point.split(","))
        rate = 10 ** np.interp(x, places, [np.log10(float(t.label)) for t in chart.x_ticks])
        low, high = chart.y_ticks[0].place, chart.y_ticks[-1].place
        found.append((float(rate), (low - y) / (low - high)))
    return found


def test_every_edge_is_a_threshold() -> None:
    edges = np.linspace(0, 1, 5)
    one = Spread(edges, np.array([5, 3, 2, 0]), np.array([0, 1, 9, 90]))
    other = Spread(edges, np.array([0, 0, 0, 10]), np.array([100, 0, 0, 0]))
    chart = roc_chart({"one": one, "other": other})
    wanted = [(1e-4, 0.5), (0.01, 0.8), (0.1, 1.0), (1.0, 1.0)]
    np.testing.assert_allclose(curve(chart, "one"), wanted, rtol=0.01)
    assert curve(chart, "other")[-1] == (1.0, 1.0)
    assert (1.0, 0.0) in curve(chart, "other")  # everybody else passes before anybody does
    assert len({line.style for line in chart.lines}) == 2


def test_without_pairs() -> None:
    nothing = Spread(np.array([0.0, 1.0]), np.zeros(1, np.int64), np.zeros(1, np.int64))
    (point,) = roc_chart({"a": nothing}).lines[0].points.split()
    x, y = map(float, point.split(","))
    assert 0 < x < WIDTH
    assert 0 < y < HEIGHT
