"""By how much the clocks of the cameras differ, learned from people whose looks say who they are.

Somebody who goes from one view to another and somebody who comes back need as long: where the clock
of the second is ahead, the one way looks longer and the other shorter by as much, and half the
difference of the two medians is how far it is ahead. Of two views of the same ground, it is by how
much later the second sees the same people. Where people go one way only, a way that takes less
than no time, or another time than `site.yaml` declares, says it too.

Nothing of this asks who the matcher says that people are: where clocks differ much, that falls
apart first.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LONGEST = 60.0  # seconds of a way, or of a lead, that are looked at
_MEMORY = 32  # of each kind for a pair; older ones are let go
_ENOUGH = 8  # of a kind, before it says anything
_LEAST = 0.75  # seconds that two clocks must be apart to be said to differ ...
_SURE = 3.0  # ... and standard errors
_VAGUE = 1.0  # seconds of a standard error from which on nothing is said
STEP = 0.25  # seconds to which a correction is rounded
_HOLD = 0.5  # seconds by which another correction must differ from the one in use

_LATEST = 6  # of a kind that must be another time ...
_JUMP = 1.5  # ... by so many seconds, for a clock to have jumped
_KINDS = ("there", "back", "together")

Pair = tuple[str, str]  # of cameras, in order
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lead:
    """By how many seconds the clock of ``second`` is ahead of that of ``first``, its standard
    error, and from how many people that is known. ``jumps`` is how often that has changed at once.
    """

    first: str
    second: str
    seconds: float
    error: float
    count: int
    jumps: int = 0

    @property
    def known(self) -> bool:
        """Whether it says anything."""
        return self.error <= _VAGUE

    @property
    def differs(self) -> bool:
        """Whether it is no chance that they do."""
        return self.known and abs(self.seconds) >= max(_LEAST, _SURE * self.error)


class _Samples:
    """Seconds for a pair: of ways there and back, by their own clocks, and of the later sight of
    those who were seen by both at once.
    """

    def __init__(self, kept: Mapping[str, Iterable[float]] = {}, jumps: int = 0) -> None:
        self.there, self.back, self.together = self._all = tuple(
            deque(kept.get(kind, ()), _MEMORY) for kind in _KINDS
        )
        self.jumps = jumps

    @property
    def state(self) -> dict[str, list[float]]:
        return {kind: list(own) for kind, own in zip(_KINDS, self._all, strict=True)}

    def add(self, own: deque[float], seconds: float) -> None:
        """One more of a kind; where the clock has jumped, what was before goes."""
        own.append(round(seconds, 2))
        if self._jumped():
            self.jumps += 1
            for kind in self._all:
                latest = list(kind)[-_LATEST:]
                kind.clear()
                kind.extend(latest)

    def _jumped(self) -> bool:
        """Whether the latest are another time than those before. Of ways, those there and back, and
        one longer and one shorter: that people linger changes nothing of the shortest.
        """
        there, back, together = map(_change, self._all)
        apart = there * back < 0 and min(abs(there), abs(back)) >= _JUMP
        return apart or abs(together) >= _JUMP

    def lead(self, there: tuple[float, float], back: tuple[float, float]) -> Lead | None:
        """What they say, the names left open; None where it is too little.

        Args:
            there: the shortest and longest way, and ``back``, as declared; where nothing is, it
                takes no less than no time.
        """
        if len(self.together) >= _ENOUGH:
            return Lead("", "", *_median(self.together), len(self.together))
        if len(self.there) >= _ENOUGH and len(self.back) >= _ENOUGH:
            (one, error), (other, another) = _median(self.there), _median(self.back)
            count = len(self.there) + len(self.back)
            return Lead("", "", (one - other) / 2, (error**2 + another**2) ** 0.5 / 2, count)
        for own, (low, high), sign in ((self.there, there, 1), (self.back, back, -1)):
            if len(own) >= _ENOUGH:
                middle, error = _median(own)
                return Lead("", "", sign * (middle - min(max(middle, low), high)), error, len(own))
        return None


class Clocks:
    """What is known of the cameras' clocks.

    Args:
        declared: the shortest and longest way of those that `site.yaml` declares.

    Attributes:
        tolerance: seconds up to which a clock is put right.
        ahead: by how many seconds each clock is put back; cameras whose clocks agree with the
            others' are left out.
    """

    def __init__(
        self,
        declared: Mapping[tuple[str, str], tuple[float, float]] = {},
    ) -> None:
        self.tolerance = 0.0
        self._declared = declared
        self._samples: dict[Pair, _Samples] = {}
        self.ahead: dict[str, float] = {}

    def between(self, first: str, second: str) -> float:
        """By how many seconds the clock of the second is ahead, as far as it is put right."""
        if not self.ahead:
            return 0.0
        return self.ahead.get(second, 0.0) - self.ahead.get(first, 0.0)

    def learn_way(self, origin: str, destination: str, gap: float) -> None:
        """That somebody came to ``destination`` so long after leaving ``origin``, by their own
        clocks: perhaps less than no time.
        """
        pair = _pair(origin, destination)
        samples = self._samples.setdefault(pair, _Samples())
        samples.add(samples.there if origin == pair[0] else samples.back, gap)

    def learn_together(self, one: str, other: str, later: float) -> None:
        """That ``other`` saw somebody so much later than ``one``, by their own clocks, though both
        see the same ground.
        """
        pair = _pair(one, other)
        samples = self._samples.setdefault(pair, _Samples())
        samples.add(samples.together, later if one == pair[0] else -later)

    def forget(self, camera: str) -> None:
        """Nothing that was learned of this camera holds any more."""
        self._samples = {pair: s for pair, s in self._samples.items() if camera not in pair}

    def leads(self) -> list[Lead]:
        """What is known of each pair."""
        found = []
        for pair, samples in sorted(self._samples.items()):
            there, back = (self._declared.get(way, (0.0, LONGEST)) for way in (pair, pair[::-1]))
            lead = samples.lead(there, back)
            if lead is not None:
                rounded = round(lead.seconds, 2), round(lead.error, 2)
                found.append(Lead(*pair, *rounded, lead.count, samples.jumps))
        return found

    def beyond(self) -> dict[str, float]:
        """The cameras whose clocks differ by more than is put right, and by how much."""
        found = self._solve()
        return {camera: s for camera, s in found.items() if abs(s) > self.tolerance}

    def settle(self) -> bool:
        """Puts right what is sure by now; whether that changed anything."""
        found = self._solve()
        before, self.ahead = self.ahead, {}
        for camera in sorted({*found, *before}):
            now, then = found.get(camera, 0.0), before.get(camera, 0.0)
            kept = then if then and abs(now - then) < _HOLD else round(now / STEP) * STEP
            if kept and abs(kept) <= self.tolerance:
                self.ahead[camera] = kept
        return self.ahead != before

    @property
    def state(self) -> State:
        """As plain data, to go on from after a restart."""
        return {
            "samples": [[*pair, s.state, s.jumps] for pair, s in sorted(self._samples.items())],
            "ahead": self.ahead,
        }

    def resume(self, state: State) -> None:
        """The inverse of ``state``."""
        self._samples = {(a, b): _Samples(*kept) for a, b, *kept in state.get("samples", ())}
        self.ahead = dict(state.get("ahead", {}))

    def _solve(self) -> dict[str, float]:
        """By how much each clock is ahead of the one with which most others agree; of several such,
        the first by name.

        Weighted least squares over the pairs; those that do not differ for sure are held equal.
        """
        leads = [lead for lead in self.leads() if lead.known]
        if not any(lead.differs for lead in leads):
            return {}
        found: dict[str, float] = {}
        for part in _parts(leads):
            names = sorted({name for lead in part for name in (lead.first, lead.second)})
            rows = np.zeros((len(part), len(names)))
            seconds = np.zeros(len(part))
            for row, lead in enumerate(part):
                weight = 1 / max(lead.error, 0.1)
                rows[row, names.index(lead.second)] = weight
                rows[row, names.index(lead.first)] = -weight
                seconds[row] = weight * lead.seconds if lead.differs else 0.0
            solved = np.linalg.lstsq(rows, seconds, rcond=None)[0]
            agreeing = (np.abs(solved[:, None] - solved) < _LEAST).sum(axis=1)
            solved -= solved[agreeing.argmax()]
            found |= {n: float(s) for n, s in zip(names, solved, strict=True) if abs(s) >= STEP}
        return found


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one <= other else (other, one)


def _median(samples: Iterable[float]) -> tuple[float, float]:
    """The median, and its standard error from the median absolute deviation."""
    values = list(samples)
    middle = statistics.median(values)
    spread = 1.4826 * statistics.median(abs(value - middle) for value in values)
    return middle, 1.2533 * spread / len(values) ** 0.5


def _change(samples: Iterable[float]) -> float:
    """By how much the lower quartile of the latest is above that of all before."""
    kept = list(samples)
    before, latest = kept[:-_LATEST], kept[-_LATEST:]
    if len(before) < _ENOUGH:
        return 0.0
    return float(np.quantile(latest, 0.25) - np.quantile(before, 0.25))


def _parts(leads: Iterable[Lead]) -> list[list[Lead]]:
    """Leads that hang together, by the cameras that they share."""
    parts: list[tuple[set[str], list[Lead]]] = []
    for lead in leads:
        cameras, own = {lead.first, lead.second}, [lead]
        rest = []
        for others, theirs in parts:
            if others & cameras:
                cameras, own = cameras | others, theirs + own
            else:
                rest.append((others, theirs))
        parts = [*rest, (cameras, own)]
    return [own for _, own in parts]
