"""Curves as lists of points for the SVG of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.evaluation.ranking import Ranking
from train.evaluation.spread import Spread

WIDTH, HEIGHT = 560, 260  # of the drawing, of which the axes' labels take the margins
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 34
_LEAST_RATE = 1e-4  # where the axis of false positives begins
_CURVES = ("line", "second line")  # styles, in the order of the names
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis at ``place`` pixels."""

    place: float
    label: str


@dataclass(frozen=True)
class Line:
    """``points`` as SVG wants them; ``style`` is a class of the page's style sheet."""

    points: str
    label: str
    style: str


@dataclass(frozen=True)
class Chart:
    """Everything in pixels from the upper left corner."""

    title: str
    x_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[Line]
    marks: Sequence[Tick] = ()
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    width: float = WIDTH
    height: float = HEIGHT


def cmc_chart(rankings: Mapping[str, Ranking]) -> Chart:
    """Share of queries with a hit among the first 1 .. K; a curve for each name, of one gallery."""
    count = min(len(ranking.cmc) for ranking in rankings.values())
    x, y = _Axis(1, max(count, 2), _LEFT, WIDTH - _RIGHT), _vertical(1.0)
    shown = [rank for rank in (1, 5, 10, 20, 30, 40, 50) if rank <= count]
    ranks = x(np.arange(1.0, count + 1))
    return Chart(
        title="Share of queries with a right image among the first so many",
        x_label="rank",
        x_ticks=[Tick(float(x(rank)), str(rank)) for rank in shown],
        y_ticks=_quarters(y),
        lines=[
            Line(_points(ranks, y(ranking.cmc)), name, style)
            for (name, ranking), style in zip(rankings.items(), _CURVES, strict=False)
        ],
    )


def roc_chart(spreads: Mapping[str, Spread]) -> Chart:
    """Share of the pairs of one person that pass against that of two; a curve for each name.

    Every edge of a histogram is a threshold, and so a point of the curve.
    """
    x, y = _Axis(math.log10(_LEAST_RATE), 0, _LEFT, WIDTH - _RIGHT), _vertical(1.0)
    decades = [10.0**power for power in range(round(math.log10(_LEAST_RATE)), 1)]
    return Chart(
        title="Share of the pairs of one person that pass (TPR) against that of two (FPR)",
        x_label="FPR",
        x_ticks=[Tick(float(x(math.log10(rate))), f"{rate:g}") for rate in decades],
        y_ticks=_quarters(y),
        lines=[
            Line(_roc(spread, x, y), name, style)
            for (name, spread), style in zip(spreads.items(), _CURVES, strict=False)
        ],
    )


def _roc(spread: Spread, x: _Axis, y: _Axis) -> str:
    wrong, right = (
        np.concatenate([[0.0], np.cumsum(_shares(counts))])
        for counts in (spread.between, spread.within)
    )
    first = int(np.searchsorted(wrong, _LEAST_RATE, "right")) - 1  # the last on the left border
    across = x(np.log10(np.clip(wrong[first:], _LEAST_RATE, 1.0)))
    return _points(across, y(np.minimum(right[first:], 1.0)))


def _quarters(y: _Axis) -> list[Tick]:
    return [Tick(float(y(share)), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]


def spread_chart(spread: Spread, ranking: Ranking, squared: bool) -> Chart:
    """Shares of the pairs of one person and of two at each distance."""
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    x = _Axis(low, high, _LEFT, WIDTH - _RIGHT)
    shares = [_shares(spread.within), _shares(spread.between)]
    y = _vertical(max(float(max(share.max() for share in shares)), 1e-9))
    marks = []
    for point in ranking.roc:
        threshold = np.sqrt(max(point.threshold, 0)) if squared else point.threshold
        if low <= threshold <= high:
            marks.append(Tick(float(x(threshold)), f"FPR {point.label}"))
    return Chart(
        title="Distances of pairs; each kind adds up to 100 %",
        x_label="distance",
        x_ticks=[Tick(float(x(value)), f"{value:.3g}") for value in np.linspace(low, high, 6)],
        y_ticks=[Tick(float(y(value)), f"{value:.1%}") for value in np.linspace(0, y.high, 4)],
        lines=[
            Line(_steps(spread.edges, share, x, y), label, style)
            for share, label, style in zip(
                shares, ("one person", "two persons"), ("right", "wrong"), strict=True
            )
        ],
        marks=marks,
    )


def epochs_chart(title: str, curves: Mapping[str, Sequence[float]], shares: bool) -> Chart:
    """Figures over the epochs of a run, from 1; a curve for each of at most two names.

    Args:
        title: says what is shown.
        curves: of one length.
        shares: in [0, 1], as per cent; else the axis ends at the greatest figure.
    """
    count = max(map(len, curves.values()))
    greatest = 1.0 if shares else max(1e-9, *(max(curve) for curve in curves.values()))
    x, y = _Axis(1, max(count, 2), _LEFT, WIDTH - _RIGHT), _vertical(greatest)
    shown = sorted({round(value) for value in np.linspace(1, count, min(count, 6))})
    values = [Tick(float(y(v)), f"{v:.3g}") for v in np.linspace(0, greatest, 5)]
    return Chart(
        title=title,
        x_label="epoch",
        x_ticks=[Tick(float(x(epoch)), str(epoch)) for epoch in shown],
        y_ticks=_quarters(y) if shares else values,
        lines=[
            Line(_points(x(np.arange(1.0, len(curve) + 1)), y(np.asarray(curve))), name, style)
            for (name, curve), style in zip(curves.items(), _CURVES, strict=False)
        ],
    )


@dataclass(frozen=True)
class _Axis:
    """From values in ``low .. high`` to pixels in ``start .. end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float | FloatArray) -> FloatArray:
        share = (np.asarray(value) - self.low) / (self.high - self.low)
        return np.asarray(np.round(self.start + share * (self.end - self.start), 1))


def _vertical(high: float) -> _Axis:
    return _Axis(0.0, high, HEIGHT - _BOTTOM, _TOP)


def _shares(counts: npt.NDArray[np.int64]) -> FloatArray:
    return np.asarray(counts / max(int(counts.sum()), 1))


def _points(x: FloatArray, y: FloatArray) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in zip(x, y, strict=True))


def _steps(edges: FloatArray, shares: FloatArray, x: _Axis, y: _Axis) -> str:
    """The outline of a histogram, closed at the bottom."""
    across = np.repeat(x(edges), 2)
    up = np.concatenate([y(np.zeros(1)), np.repeat(y(shares), 2), y(np.zeros(1))])
    return _points(across, up)
