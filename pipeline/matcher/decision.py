"""One tick's decisions over all tracklets that are ready, jointly.

In rounds: what can be said of the tracklets against the gallery is assigned together; what is
settled changes where people are, so the rest is asked again. When nobody matches any more, those
unlike everybody become new identities, one by one, each at once a candidate for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from pipeline.matcher.assignment import assign
from pipeline.matcher.gallery import Found, Gallery
from pipeline.matcher.lookalikes import NEAREST as NEAREST_OTHERS
from pipeline.matcher.lookalikes import Lookalikes
from pipeline.matcher.presence import (
    CONTINUATION_SECONDS,
    HANDOVER_SECONDS,
    Standing,
    Timeline,
    standing,
)
from pipeline.matcher.scoring import (
    CONTINUATION_BONUS,
    MARGIN,
    MOST_FOR,
    Thresholds,
    confidence,
    terms,
)
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import TrackletKey

NEAREST = 32  # prototypes that are looked at first
MOST = 512  # prototypes that are looked at where too many of the nearest are impossible
ENOUGH = 4  # possible identities to choose from


@dataclass(frozen=True, slots=True)
class Option:
    """An identity that a tracklet may have, or may have soon (``WAIT``)."""

    identity: int
    standing: Standing
    terms: Mapping[str, float]
    score: float

    @property
    def similarity(self) -> float:
        return self.terms["similarity"]

    def beats(self, runner_up: Option | None, thresholds: Thresholds) -> bool:
        """Whether it is good enough, and clearly better than the next."""
        lead = self.score - (runner_up.score if runner_up else -math.inf)
        return self.score >= thresholds.accept and lead >= MARGIN


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


class Site(Protocol):
    """What decisions are taken on, and who carries them out."""

    @property
    def gallery(self) -> Gallery: ...
    @property
    def timelines(self) -> Mapping[int, Timeline]: ...
    @property
    def topology(self) -> Topology: ...
    @property
    def thresholds(self) -> Thresholds: ...
    @property
    def lookalikes(self) -> Lookalikes | None: ...

    def forbids(self, key: TrackletKey, identity: int) -> bool:
        """Whether a person said that a tracklet is not this identity."""

    def settle(self, choice: Choice) -> int:
        """Carries a decision out; gives the identity."""

    def last_seen(self) -> Mapping[str, Sequence[tuple[float, int]]]:
        """For each camera when it lately saw which identity last."""


class Options:
    """The options of some tracklets, kept up to date while others are settled.

    Each tracklet gets the identities most like it, until `ENOUGH` of them are possible, and those
    whose track just broke off in its camera.
    """

    def __init__(self, site: Site, ready: Sequence[Tracklet]) -> None:
        self._site = site
        self._floor = site.thresholds.new - (MOST_FOR if site.topology.has_transit else 0)
        self._of: dict[TrackletKey, dict[int, Option]] = {t.key: {} for t in ready}
        self._row = {t.key: row for row, t in enumerate(ready)}
        self._embeddings = np.array([t.whitened for t in ready], np.float32)
        found = site.gallery.search(self._embeddings, NEAREST, self._floor)
        # Of the most alike, one more than the crowd around somebody is made of: it may be the own.
        self._around = {
            t.key: list(islice(near.nearest.items(), NEAREST_OTHERS + 1))
            for t, near in zip(ready, found, strict=True)
        }
        self._rate_broken_off(ready)
        left = self._rate_found(ready, found)
        rows = [self._row[t.key] for t in left]
        self._rate_found(left, site.gallery.search(self._embeddings[rows], MOST, self._floor))

    def __getitem__(self, tracklet: Tracklet) -> Mapping[int, Option]:
        return self._of[tracklet.key]

    def refresh(self, identity: int, rest: Sequence[Tracklet]) -> set[TrackletKey]:
        """Asks anew how the rest stands to an identity that has changed.

        Returns:
            Those for whom it is an option.
        """
        touched: set[TrackletKey] = set()
        similarities = self._site.gallery.similarity(identity, self._embeddings).tolist()
        for tracklet in rest:
            similarity = similarities[self._row[tracklet.key]]
            known = self._of[tracklet.key].pop(identity, None)
            if known is not None or similarity >= self._floor:
                self._rate(tracklet, identity, similarity)
            if identity in self._of[tracklet.key]:
                touched.add(tracklet.key)
        return touched

    def _rate_found(self, ready: Sequence[Tracklet], found: Sequence[Found]) -> list[Tracklet]:
        """Rates the identities that each found; gives those for whom farther ones might matter."""
        left = []
        self._site.gallery.prepare({i for near in found for i in near.identities[:ENOUGH]})
        for tracklet, near in zip(ready, found, strict=True):
            if not self._rate_all(tracklet, near.identities) and near.more:
                left.append(tracklet)
        return left

    def _rate_broken_off(self, ready: Sequence[Tracklet]) -> None:
        """Rates those whom the camera saw last just before: the track may go on."""
        last_seen = self._site.last_seen()
        floor = self._floor - CONTINUATION_BONUS
        for tracklet in ready:
            start = tracklet.visit.start
            recent = {
                identity
                for end, identity in last_seen.get(tracklet.key.camera, ())
                if start - CONTINUATION_SECONDS <= end <= start + HANDOVER_SECONDS
            }
            for identity in sorted(recent):
                similarity = self._similarity(tracklet, identity)
                if similarity >= floor:
                    self._rate(tracklet, identity, similarity)

    def _rate_all(self, tracklet: Tracklet, identities: Iterable[int]) -> bool:
        """Rates identities, the most alike first, until enough are possible; whether they were."""
        own = self._of[tracklet.key]
        for identity in identities:
            if identity not in own:
                self._rate(tracklet, identity, self._similarity(tracklet, identity))
            if sum(o.standing is Standing.POSSIBLE for o in own.values()) >= ENOUGH:
                return True
        return False

    def _similarity(self, tracklet: Tracklet, identity: int) -> float:
        row = self._row[tracklet.key]
        return float(self._site.gallery.similarity(identity, self._embeddings[row : row + 1])[0])

    def _rate(self, tracklet: Tracklet, identity: int, similarity: float) -> None:
        fit = self._site.timelines[identity].fit(tracklet.visit, self._site.topology)
        if fit.standing is Standing.IMPOSSIBLE or self._site.forbids(tracklet.key, identity):
            return
        parts = terms(similarity, self._lost(tracklet, identity, similarity), fit)
        score = round(sum(parts.values()), 5)
        if score >= self._site.thresholds.new:
            self._of[tracklet.key][identity] = Option(identity, fit.standing, parts, score)

    def _lost(self, tracklet: Tracklet, identity: int, similarity: float) -> float:
        """By how much less a similarity says, since others look alike: 0 or below."""
        lookalikes = self._site.lookalikes
        if lookalikes is None:
            return 0.0
        others = [alike for other, alike in self._around[tracklet.key] if other != identity]
        return float(lookalikes.effective(similarity, lookalikes.crowding(others))) - similarity


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
    for identity in sorted(changed):
        options.refresh(identity, left)
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
        touched |= options.refresh(identity, left)
    return settled


def _possible(options: Mapping[int, Option]) -> list[Option]:
    """Those that are possible now, the best first."""
    ranked = sorted(options.values(), key=lambda o: (-o.score, o.identity))
    return [option for option in ranked if option.standing is Standing.POSSIBLE]
