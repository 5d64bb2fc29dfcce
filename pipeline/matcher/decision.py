"""One tick's decisions over all tracklets that are ready, jointly.

In rounds: what can be said of the tracklets against the gallery is assigned together; what is
settled changes where people are, so the rest is asked again. When nobody matches any more, those
unlike everybody become new identities, one by one, each at once a candidate for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.matcher.assignment import assign
from pipeline.matcher.options import Known, Option, Options
from pipeline.matcher.presence import Standing, standing
from pipeline.matcher.scoring import MARGIN, Thresholds, confidence
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import TrackletKey


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided of a tracklet: ``option`` None is somebody new.

    ``runner_up`` is the next best that was possible.
    """

    tracklet: Tracklet
    option: Option | None
    runner_up: Option | None
    rule: str

    def confidence(self, thresholds: Thresholds) -> float:
        """How likely it is right, in [0, 1]: see `pipeline.matcher.scoring.confidence`."""
        own = None if self.option is None else self.option.score
        return confidence(own, None if self.runner_up is None else self.runner_up.score, thresholds)

    def doubt(self, thresholds: Thresholds) -> float | None:
        """How nearly it was decided otherwise, in (0, 1]: 1 on the line between two answers, less
        the farther from it, in units of what lies between ``accept`` and ``new``. None where it
        was clear, or nobody else was possible.
        """
        middle = thresholds.middle
        if self.option is None:
            if self.runner_up is None:
                return None
            slack = middle - self.runner_up.score
        else:
            slack = self.option.score - middle
            if self.runner_up is not None:
                slack = min(slack, self.option.score - self.runner_up.score)
        band = max(thresholds.accept - thresholds.new, MARGIN)
        doubt = round(1 - max(slack, 0.0) / band, 5)
        return doubt if doubt > 0 else None


class Site(Known, Protocol):
    """What decisions are taken on, and who carries them out."""

    def settle(self, choice: Choice) -> int:
        """Carries a decision out; gives the identity."""


def decide(site: Site, ready: Sequence[Tracklet], now: float) -> None:
    """Settles of the ready tracklets those that can be settled at ``now``."""
    rest = sorted(ready, key=lambda t: t.order)
    if not rest:
        return
    options = Options(site, rest)
    while rest:
        choices = _choices(site, options, rest, now)
        matches = [c for c in choices if c.option is not None]
        if matches:
            settled = _settle_matches(site, options, matches, rest)
        else:
            settled = _settle_new(site, options, choices, rest)
        if not settled:
            return
        rest = [t for t in rest if t.key not in settled]


def _choices(site: Site, options: Options, rest: Sequence[Tracklet], now: float) -> list[Choice]:
    """What a joint assignment says of each tracklet that need not wait."""
    possible = [_possible(options[t]) for t in rest]
    base = site.thresholds.new - 1e-3  # so that every option is a gain
    assigned = assign([{o.identity: o.score - base for o in own} for own in possible])
    taker = {identity: rest[row] for row, identity in enumerate(assigned) if identity is not None}

    def contested(tracklet: Tracklet, option: Option) -> bool:
        other = taker.get(option.identity, tracklet)
        if other is tracklet:
            return False
        apart = standing(tracklet.visit, other.visit, site.topology)
        return apart is not Standing.POSSIBLE

    choices = []
    for tracklet, own in zip(rest, possible, strict=True):
        free = [option for option in own if not contested(tracklet, option)]
        choice = _choose(site.thresholds, tracklet, options[tracklet], free, now)
        if choice is not None:
            choices.append(choice)
    return choices


def _choose(
    thresholds: Thresholds,
    tracklet: Tracklet,
    options: Mapping[int, Option],
    free: Sequence[Option],
    now: float,
) -> Choice | None:
    """What to do with a tracklet: match it, make it somebody new, or (None) wait.

    Args:
        options: all that are alike enough.
        free: those of them that are possible now and that no other tracklet has a better claim
            to, the best first.
    """
    if not options:
        return Choice(tracklet, None, None, "unlike everybody")
    best = free[0] if free else None
    runner_up = free[1] if len(free) > 1 else None
    highest = max(option.score for option in options.values())
    if best is not None and best.score == highest and best.beats(runner_up, thresholds):
        return Choice(tracklet, best, runner_up, "alike")
    complete = tracklet.visit.ended and len(free) == len(options)
    if not complete and now < tracklet.evidence_at + thresholds.patience:
        return None
    if best is not None and best.score >= thresholds.middle:
        return Choice(tracklet, best, runner_up, "alike enough in the end")
    return Choice(tracklet, None, best, "not alike enough in the end")


def _settle_matches(
    site: Site, options: Options, matches: Sequence[Choice], rest: Sequence[Tracklet]
) -> set[TrackletKey]:
    """Carries out the matches, one of each identity in a round."""
    settled: set[TrackletKey] = set()
    changed: set[int] = set()
    for choice in matches:
        assert choice.option is not None
        if choice.option.identity not in changed:
            changed.add(site.settle(choice))
            settled.add(choice.tracklet.key)
    left = [t for t in rest if t.key not in settled]
    options.refresh(changed, left)
    return settled


def _settle_new(
    site: Site, options: Options, new: Sequence[Choice], rest: Sequence[Tracklet]
) -> set[TrackletKey]:
    """Carries out what is new, except for those to whom one of these has just become an option."""
    settled: set[TrackletKey] = set()
    touched: set[TrackletKey] = set()
    left = list(rest)
    for choice in new:
        if choice.tracklet.key in touched:
            continue
        identity = site.settle(choice)
        settled.add(choice.tracklet.key)
        left.remove(choice.tracklet)
        touched |= options.refresh([identity], left)
    return settled


def _possible(options: Mapping[int, Option]) -> list[Option]:
    """Those that are possible now, the best first."""
    ranked = sorted(options.values(), key=lambda o: (-o.score, o.identity))
    return [option for option in ranked if option.standing is Standing.POSSIBLE]
