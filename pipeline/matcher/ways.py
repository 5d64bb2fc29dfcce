"""How people go from camera to camera, learned from those who were recognised.

Of everybody who came into a view, two things are counted by where somebody was seen last before,
and how long ago: for the person's own last visit, and for the last visits of all others. Where the
first is more frequent than the second, coming from there after so long speaks for being the same
person; where it is rarer, against. Nothing has to be assumed of the ways, the rates or the shape of
the times, and as long as little was seen anything is possible.

The ratio is shrunk towards what was thought before by gamma-Poisson shrinkage (DuMouchel 1999,
"Bayesian data mining in large frequency tables"): of an expected count E, of which w E is what was
thought before, and a count N, (K + N) / (K / w + E).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 48  # of the time between, four to a doubling of 1 + seconds: the last begins at 57 minutes
_MEMORY = 400  # visits that followed on one of a camera, after which old ones begin to count less
_FORGOTTEN = 8  # times less, what was seen before a camera was moved counts
_ENOUGH = 6  # followers of a camera from which on something is said of the ways out of it
_MIDDLE, _BESIDE = 0.5, 0.25  # weights of a bin and those beside it

Counts = npt.NDArray[np.int64]
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Support:
    """How often somebody came that way after such a time (``seen``), and how often it would have
    been by chance (``expected``). Nothing is known where both are 0.
    """

    seen: float = 0.0
    expected: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """What was learned of a way, for people to read.

    ``share`` is that of the visits to ``origin`` after which the next was to ``destination``,
    ``seconds`` the 10th, 50th and 90th percentile of the time between, ``count`` the visits.
    """

    origin: str
    destination: str
    count: int
    share: float
    seconds: tuple[float, float, float]


class Ways:
    """Counts by ordered pair of cameras and time. All are whole numbers, and are halved when there
    are many, so that what was long ago fades.
    """

    def __init__(self) -> None:
        self._own: dict[str, dict[str, Counts]] = {}
        self._others: dict[str, dict[str, Counts]] = {}
        self._totals: dict[str, tuple[int, int]] = {}

    @property
    def known(self) -> bool:
        """Whether anything can be said of any way."""
        return any(own >= _ENOUGH for own, _ in self._totals.values())

    def learn(self, origin: str, destination: str, gap: float, *, own: bool) -> None:
        """That ``gap`` seconds after somebody was seen last at ``origin``, there came to
        ``destination`` the same person (``own``), or another.
        """
        table = self._own if own else self._others
        ways = table.setdefault(origin, {})
        if destination not in ways:
            ways[destination] = np.zeros(BINS, np.int64)
        ways[destination][place(gap)] += 1
        totals = self._totals.get(origin, (0, 0))
        self._totals[origin] = totals[0] + own, totals[1] + (not own)
        if own and totals[0] + 1 >= _MEMORY:
            self._fade(origin)

    def support(self, origin: str, destination: str, gap: float) -> Support:
        """How much the time and the two places speak for it being the same person."""
        own, others = self._totals.get(origin, (0, 0))
        if own < _ENOUGH:
            return Support()
        where = place(gap)
        seen = _around(self._own[origin].get(destination), where)
        chance = _around(self._others.get(origin, {}).get(destination), where)
        return Support(seen, own * chance / max(others, 1))

    def forget(self, camera: str) -> None:
        """What was seen of the ways to and from a camera counts little from now on."""
        for table in (self._own, self._others):
            for origin, by_destination in table.items():
                for destination, counts in by_destination.items():
                    if camera in (origin, destination):
                        counts //= _FORGOTTEN
        for origin in {*self._own, *self._others}:
            self._count(origin)

    def ways(self) -> Iterator[Way]:
        """All that anybody took, by origin and destination."""
        for origin in sorted(self._own):
            total = self._totals[origin][0]
            for destination, counts in sorted(self._own[origin].items()):
                count = int(counts.sum())
                if count:
                    yield Way(origin, destination, count, count / total, _percentiles(counts))

    @property
    def state(self) -> State:
        """As plain data, to go on from after a restart."""
        return {"own": _sparse(self._own), "others": _sparse(self._others)}

    @staticmethod
    def of(state: State) -> Ways:
        """The inverse of ``state``."""
        ways = Ways()
        ways._own.update(_dense(state.get("own", {})))
        ways._others.update(_dense(state.get("others", {})))
        for origin in {*ways._own, *ways._others}:
            ways._count(origin)
        return ways

    def _fade(self, origin: str) -> None:
        for table in (self._own, self._others):
            for counts in table.get(origin, {}).values():
                counts //= 2
        self._count(origin)

    def _count(self, origin: str) -> None:
        own, others = (
            sum(int(counts.sum()) for counts in table.get(origin, {}).values())
            for table in (self._own, self._others)
        )
        self._totals[origin] = own, others


def place(gap: float) -> int:
    """The bin of a time in seconds."""
    return min(int(4 * math.log2(1 + max(gap, 0.0))), BINS - 1)


def bins(gaps: npt.NDArray[np.float64]) -> Counts:
    """`place` of many."""
    found = 4 * np.log2(1 + np.maximum(gaps, 0.0))
    return np.asarray(np.minimum(found.astype(np.int64), BINS - 1))


def seconds(bin_: float) -> float:
    """The time at which a bin begins."""
    return float(2 ** (bin_ / 4) - 1)


def _around(counts: Counts | None, where: int) -> float:
    if counts is None:
        return 0.0
    window = max(where - 1, 0), where, min(where + 1, BINS - 1)
    low, middle, high = (int(counts[at]) for at in window)
    return _BESIDE * low + _MIDDLE * middle + _BESIDE * high


def _percentiles(counts: Counts) -> tuple[float, float, float]:
    below = np.concatenate([[0], np.cumsum(counts)])
    low, middle, high = (
        seconds(float(np.interp(share * below[-1], below, np.arange(BINS + 1))))
        for share in (0.1, 0.5, 0.9)
    )
    return low, middle, high


def _sparse(table: dict[str, dict[str, Counts]]) -> State:
    return {
        origin: {
            destination: [[int(at), int(counts[at])] for at in np.flatnonzero(counts)]
            for destination, counts in sorted(by_destination.items())
        }
        for origin, by_destination in sorted(table.items())
    }


def _dense(state: State) -> dict[str, dict[str, Counts]]:
    table: dict[str, dict[str, Counts]] = {}
    for origin, by_destination in state.items():
        table[origin] = {}
        for destination, pairs in by_destination.items():
            counts = np.zeros(BINS, np.int64)
            for at, number in pairs:
                counts[at] = number
            table[origin][destination] = counts
    return table
