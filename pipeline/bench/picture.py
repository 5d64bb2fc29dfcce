"""The picture of the bench: one HTML file that loads nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from pipeline.bench.step import BenchOptions, Step

_WIDTH, _HEIGHT = 280.0, 160.0
_HEADROOM = 1.15


@dataclass(frozen=True)
class Point:
    """A step in a chart, in its pixels."""

    x: float
    y: float
    label: str
    cameras: int
    good: bool


@dataclass(frozen=True)
class Chart:
    """One figure over the number of cameras; ``line`` is the height of what was asked for."""

    title: str
    points: list[Point]
    line: float | None

    @property
    def path(self) -> str:
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


def draw(steps: Sequence[Step], options: BenchOptions) -> str:
    """The page."""
    charts = [
        _chart("frames a second, slowest camera", steps, lambda s: s.fps, "{:.1f}", options.fps),
        _chart("frames a second, all cameras", steps, lambda s: s.total_fps, "{:.0f}"),
        _chart("seconds until a decision can be read", steps, lambda s: s.delay, "{:.2f}"),
        _chart("IDF1", steps, lambda s: s.idf1, "{:.2f}", top=1.0),
    ]
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=folder, autoescape=True)
    template = environment.get_template("page.html.j2")
    return template.render(
        charts=charts, steps=steps, options=options, width=_WIDTH, height=_HEIGHT
    )


def _chart(
    title: str,
    steps: Sequence[Step],
    value: Callable[[Step], float],
    form: str,
    asked: float | None = None,
    top: float | None = None,
) -> Chart:
    """A step of which the figure is not known is left out."""
    known = [step for step in steps if math.isfinite(value(step))]
    highest = max([value(step) for step in known] + [asked or 0.0], default=0.0)
    scale = _HEIGHT / ((top or highest or 1.0) * _HEADROOM)
    gap = _WIDTH / max(len(known), 1)
    points = [
        Point(
            x=(number + 0.5) * gap,
            y=_HEIGHT - value(step) * scale,
            label=form.format(value(step)),
            cameras=step.cameras,
            good=step.keeps_up,
        )
        for number, step in enumerate(known)
    ]
    return Chart(title, points, None if asked is None else _HEIGHT - asked * scale)
