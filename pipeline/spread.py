"""Running mean and variance of similarities, and the line between two kinds of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MEMORY = 500  # samples after which old ones begin to fade


@dataclass(slots=True)
class Spread:
    """Mean and variance of ``count`` samples; the old fade."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, value: float) -> None:
        """Takes a sample in."""
        self.count += 1
        share = 1 / min(self.count, _MEMORY)
        delta = value - self.mean
        self.mean += share * delta
        self.variance += share * (delta * (value - self.mean) - self.variance)

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(max(0.0, self.variance))


def between(same: Spread, other: Spread) -> float:
    """The value as many standard deviations below ``same`` as above ``other``; NaN where the two
    cannot be told apart.
    """
    total = same.deviation + other.deviation
    if same.mean <= other.mean or total == 0:
        return math.nan
    return (same.mean * other.deviation + other.mean * same.deviation) / total
