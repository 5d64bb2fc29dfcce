"""Whom each tracklet may be: the identities that are alike enough, with what speaks for each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.matcher.gallery import Found, Gallery
from pipeline.matcher.lookalikes import Crowd, Lookalikes
from pipeline.matcher.presence import (
    CONTINUATION_SECONDS,
    HANDOVER_SECONDS,
    Standing,
    Timeline,
)
from pipeline.matcher.scoring import CONTINUATION_BONUS, MARGIN, MOST_FOR, Thresholds, terms
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import FloatArray, TrackletKey

NEAREST = 32  # prototypes that are looked at first
MOST = 512  # prototypes that are looked at where too many of the nearest are impossible
ENOUGH = 4  # possible identities to choose from

Pair = tuple[Tracklet, int]  # and an identity


@dataclass(frozen=True, slots=True)
class Option:
    """An identity that a tracklet may have, or may have soon (``WAIT``)."""

    identity: int
    standing: Standing
    terms: Mapping[str, float]
    score: float

    @property
    def similarity(self) -> float:
        """By looks alone, for these cameras."""
        return self.terms["similarity"] + self.terms.get("cameras", 0.0)

    def beats(self, runner_up: Option | None, thresholds: Thresholds) -> bool:
        """Whether it is good enough, and clearly better than the next."""
        lead = self.score - (runner_up.score if runner_up else -math.inf)
        return self.score >= thresholds.accept and lead >= MARGIN


class Known(Protocol):
    """What is known of a site."""

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

    def last_seen(self) -> Mapping[str, Sequence[tuple[float, int]]]:
        """For each camera when it lately saw which identity last."""


class Options:
    """The options of some tracklets, kept up to date while others are settled.

    Each tracklet gets the identities most like it, until `ENOUGH` of them are possible, and those
    whose track just broke off in its camera.
    """

    def __init__(self, site: Known, ready: Sequence[Tracklet]) -> None:
        self._site = site
        self._floor = site.thresholds.new - (MOST_FOR if site.topology.has_transit else 0)
        self._of: dict[TrackletKey, dict[int, Option]] = {t.key: {} for t in ready}
        self._row = {t.key: row for row, t in enumerate(ready)}
        self._asked = site.gallery.whitening.ask(
            np.array([t.whitened for t in ready], np.float32), [t.key.camera for t in ready]
        )
        found = site.gallery.search(self._asked, NEAREST, self._floor)
        self._crowd = Crowd([near.nearest for near in found])
        self._rate_broken_off(ready)
        left = self._rate_found(ready, found)
        rows = [self._row[t.key] for t in left]
        self._rate_found(left, site.gallery.search(self._asked[rows], MOST, self._floor))

    def __getitem__(self, tracklet: Tracklet) -> Mapping[int, Option]:
        return self._of[tracklet.key]

    def refresh(self, changed: Collection[int], rest: Sequence[Tracklet]) -> set[TrackletKey]:
        """Asks anew how the rest stands to identities that have changed.

        Returns:
            Those for whom one of them is an option.
        """
        pairs = [(tracklet, identity) for identity in sorted(changed) for tracklet in rest]
        if not pairs:
            return set()
        similarities = self._similarities(pairs)
        alike = similarities.sum(axis=1) >= self._floor
        for place, (tracklet, identity) in enumerate(pairs):
            alike[place] |= self._of[tracklet.key].pop(identity, None) is not None
        places = np.flatnonzero(alike)
        self._rate([pairs[place] for place in places.tolist()], similarities[places])
        return {t.key for t in rest if not self._of[t.key].keys().isdisjoint(changed)}

    def _rate_found(self, ready: Sequence[Tracklet], found: Sequence[Found]) -> list[Tracklet]:
        """Rates the identities that each found, the most alike first, until enough are possible;
        gives those for whom farther ones might matter.
        """
        rest = {
            t.key: deque(i for i in near.identities if i not in self._of[t.key])
            for t, near in zip(ready, found, strict=True)
        }
        while pairs := [
            (t, rest[t.key].popleft())
            for t in ready
            for _ in range(min(ENOUGH - self._possible(t), len(rest[t.key])))
        ]:
            self._rate(pairs, self._similarities(pairs))
        few = (self._possible(t) < ENOUGH for t in ready)
        return [
            t for t, near, wanting in zip(ready, found, few, strict=True) if wanting and near.more
        ]

    def _rate_broken_off(self, ready: Sequence[Tracklet]) -> None:
        """Rates those whom the camera saw last just before: the track may go on."""
        last_seen = self._site.last_seen()
        pairs: list[Pair] = []
        for tracklet in ready:
            start = tracklet.visit.start
            recent = {
                identity
                for end, identity in last_seen.get(tracklet.key.camera, ())
                if start - CONTINUATION_SECONDS <= end <= start + HANDOVER_SECONDS
            }
            pairs += [(tracklet, identity) for identity in sorted(recent)]
        if pairs:
            similarities = self._similarities(pairs)
            places = np.flatnonzero(similarities.sum(axis=1) >= self._floor - CONTINUATION_BONUS)
            self._rate([pairs[place] for place in places.tolist()], similarities[places])

    def _possible(self, tracklet: Tracklet) -> int:
        return sum(o.standing is Standing.POSSIBLE for o in self._of[tracklet.key].values())

    def _rows(self, pairs: Iterable[Pair]) -> list[int]:
        return [self._row[tracklet.key] for tracklet, _ in pairs]

    def _similarities(self, pairs: Sequence[Pair]) -> FloatArray:
        identities = [identity for _, identity in pairs]
        gallery = self._site.gallery
        return gallery.similarities(self._asked, self._rows(pairs), identities)

    def _rate(self, pairs: Sequence[Pair], similarities: FloatArray) -> None:
        """Makes options of pairs that are possible and score enough.

        Args:
            similarities: (n, 2), as the gallery gives them.
        """
        for (tracklet, identity), (similarity, shift), lost in zip(
            pairs, similarities.tolist(), self._lost(pairs, similarities), strict=True
        ):
            fit = self._site.timelines[identity].fit(tracklet.visit, self._site.topology)
            if fit.standing is Standing.IMPOSSIBLE or self._site.forbids(tracklet.key, identity):
                continue
            parts = terms(similarity, shift, lost, fit)
            score = round(sum(parts.values()), 5)
            if score >= self._site.thresholds.new:
                self._of[tracklet.key][identity] = Option(identity, fit.standing, parts, score)

    def _lost(self, pairs: Sequence[Pair], similarities: FloatArray) -> list[float]:
        """By how much less each similarity says, since others look alike: 0 or below."""
        lookalikes = self._site.lookalikes
        if lookalikes is None or not pairs:
            return [0.0] * len(pairs)
        others = self._crowd.others(self._rows(pairs), [identity for _, identity in pairs])
        alike = similarities.sum(axis=1)
        effective = lookalikes.effective(alike, lookalikes.crowding(others))
        return [float(lost) for lost in effective - alike]
