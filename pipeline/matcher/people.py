"""Who is whom so far: the identities, where each was, and what stands for it in the gallery."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from pipeline.matcher.gallery import Gallery
from pipeline.matcher.links import Links
from pipeline.matcher.presence import Timeline, Visit
from pipeline.matcher.repair import Repair
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import Assignment, Decision, FloatArray, TrackletKey
from pipeline.store import CONFIDENCE, Outcome, Verdict

Reason = Mapping[str, float | str]
Prototype = tuple[int, TrackletKey, FloatArray, float]  # as `Gallery.restore` takes it


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was behind a decision: see `Assignment` and `Verdict`."""

    similarity: float = math.nan
    runner_up: float = math.nan
    rival: int | None = None
    doubt: float | None = None


class People:
    """The identities. Every change of them is noted in ``outcome``.

    Args:
        gallery: empty.
        links: what people said of pairs, which learns whose their tracklets are.
        most: identities in the gallery, at most.
        most_prototypes: in the gallery, at most.

    Attributes:
        outcome: what changed since it was last taken.
    """

    def __init__(self, gallery: Gallery, links: Links, most: int, most_prototypes: int) -> None:
        self.gallery = gallery
        self._links = links
        self.timelines: dict[int, Timeline] = {}
        self.outcome = Outcome()
        self._most, self._most_prototypes = most, most_prototypes
        self._numbers = count(1)

    def resume(
        self,
        identities: Iterable[int],
        next_identity: int,
        prototypes: Iterable[Prototype],
    ) -> None:
        """Goes on from what the store has; visits come with `see`."""
        self._numbers = count(next_identity)
        self.timelines = {identity: Timeline() for identity in identities}
        self.gallery.restore(prototypes)

    def has(self, tracklet: Tracklet) -> bool:
        """Whether it belongs to an identity that is still known."""
        return tracklet.assignment is not None and tracklet.assignment.identity in self.timelines

    def settle(
        self,
        tracklet: Tracklet,
        identity: int | None,
        now: float,
        reason: Reason,
        evidence: Evidence,
    ) -> int:
        """Gives a tracklet without one its identity (None: a new one); gives that."""
        former = tracklet.assignment.identity if tracklet.assignment else None
        decision = Decision.NEW if identity is None else Decision.MATCHED
        identity = next(self._numbers) if identity is None else identity
        assignment = Assignment(
            tracklet.key, identity, decision, evidence.similarity, evidence.runner_up, now
        )
        rival, doubt = evidence.rival, evidence.doubt
        self.outcome.verdicts.append(
            Verdict(tracklet.key, now, assignment, former, reason, rival, doubt)
        )
        tracklet.assignment = assignment
        self._links.place(tracklet.key, identity)
        self.timelines.setdefault(identity, Timeline()).add(tracklet.visit)
        self.show(tracklet)
        return identity

    def release(self, tracklet: Tracklet, now: float, reason: Reason) -> None:
        """Takes its identity from a tracklet; it is undecided again."""
        assert tracklet.assignment is not None
        identity = tracklet.assignment.identity
        self._take_out(tracklet)
        self._forget_empty([identity])
        tracklet.assignment = None
        self._links.place(tracklet.key, None)
        self.outcome.verdicts.append(Verdict(tracklet.key, now, None, identity, reason))

    def repair(self, repairs: Sequence[Repair], now: float) -> None:
        """Moves tracklets to other identities, or to new ones that several may share."""
        for repair in repairs:
            self._take_out(repair.tracklet)
        new: dict[int, int] = {}
        for repair in repairs:
            identity = repair.identity if repair.identity > 0 else new.get(repair.identity)
            reason: dict[str, float | str] = {
                "rule": "seen together with others",
                CONFIDENCE: repair.confidence,
            }
            if not math.isnan(repair.similarity):  # somebody is there
                reason["similarity"] = repair.similarity
                if repair.shift:
                    reason["cameras"] = repair.shift
                if repair.support > 0:
                    reason["transit"] = repair.support
            evidence = Evidence(repair.similarity + repair.shift)
            settled = self.settle(repair.tracklet, identity, now, reason, evidence)
            new[repair.identity] = settled
        self._forget_empty(sorted({repair.former for repair in repairs}))

    def new_number(self) -> int:
        """For an identity that a person makes."""
        return next(self._numbers)

    def give(self, identity: int, visits: Iterable[Visit], prototypes: Iterable[Prototype]) -> None:
        """An identity has these visits and no others, with the prototypes of their tracklets, as
        far as there is room for them.
        """
        timeline = Timeline()
        for visit in visits:
            timeline.add(visit)
        self.timelines[identity] = timeline
        for prototype in prototypes:
            key = prototype[1]
            if key in self.gallery:
                self.gallery.give(key, identity)
            else:
                self.gallery.restore([prototype])
                self.outcome.prototypes.pop(key, None)  # that it had to go
        self.make_room([identity])

    def make_room(self, identities: Iterable[int] | None = None) -> None:
        """Keeps to the bound on prototypes: of these identities, or of all."""
        for out in self.gallery.make_room(identities):
            self.outcome.prototypes[out] = False

    def drop(self, identity: int) -> None:
        """Knows nothing of an identity any more; the store has said so already."""
        self.timelines.pop(identity, None)
        self.gallery.forget(identity)

    def show(self, tracklet: Tracklet) -> None:
        """Its embedding stands for its identity, if it is one of the few that do."""
        if tracklet.embedding is None or tracklet.assignment is None:
            return
        key, identity = tracklet.key, tracklet.assignment.identity
        known = key in self.gallery
        out = self.gallery.put(identity, key, tracklet.embedding, tracklet.quality)
        if not known:
            self.outcome.prototypes[key] = True
        if out is not None:
            self.outcome.prototypes[out] = False

    def see(self, identity: int, visit: Visit) -> None:
        """Takes in a visit of an identity, if that is still known."""
        if identity in self.timelines:
            self.timelines[identity].add(visit)

    def prune(self, identities: Collection[int], horizon: float) -> None:
        """Drops visits before ``horizon`` that no rule asks for; keeps the bounds."""
        for identity in identities:
            if identity in self.timelines:
                self.timelines[identity].prune(horizon)
        if len(self.timelines) > self._most or len(self.gallery) > self._most_prototypes:
            self._evict()

    def sweep(self, limit: float) -> None:
        """Forgets who was not seen since ``limit``."""
        for identity in [i for i, t in self.timelines.items() if t.over and t.last_seen < limit]:
            self._forget(identity)

    def _evict(self) -> None:
        """Forgets those unseen for longest; a few more than needed, so that it is rarely done."""
        identities = self._most - self._most // 100
        prototypes = self._most_prototypes - self._most_prototypes // 100
        for _, identity in sorted((t.last_seen, i) for i, t in self.timelines.items() if t.over):
            if len(self.timelines) <= identities and len(self.gallery) <= prototypes:
                return
            self._forget(identity)

    def _take_out(self, tracklet: Tracklet) -> None:
        assert tracklet.assignment is not None
        self.timelines[tracklet.assignment.identity].remove(tracklet.visit)
        if tracklet.key in self.gallery:
            self.gallery.remove(tracklet.key)
            self.outcome.prototypes[tracklet.key] = False

    def _forget_empty(self, identities: Iterable[int]) -> None:
        for identity in identities:
            if not len(self.timelines[identity]):
                self._forget(identity)

    def _forget(self, identity: int) -> None:
        del self.timelines[identity]
        self.gallery.forget(identity)
        self.outcome.retired.append(identity)
