"""The decisions as a pure function of what the cameras said: no Redis, no store, no clock.

Event time goes in ticks. A tick takes what is known up to its time, in one order for all, and
decides; a tick is taken when the watermark has passed it and something is due. So the same messages
give the same identities in whatever order the cameras' streams are mixed, and an `Engine` that is
built from the store after a crash goes on as if nothing had happened.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from pipeline.config import Matcher
from pipeline.matcher.decision import Choice, decide
from pipeline.matcher.gallery import Gallery
from pipeline.matcher.hand import NEVER, Hand, by_end
from pipeline.matcher.inbox import Inbox
from pipeline.matcher.index import Index
from pipeline.matcher.likeness import Likeness
from pipeline.matcher.links import Links
from pipeline.matcher.lookalikes import Lookalikes
from pipeline.matcher.observation import observe
from pipeline.matcher.people import Evidence, People
from pipeline.matcher.presence import Standing, Timeline, Visit
from pipeline.matcher.repair import MOST, REPAIR_SECONDS, find_repairs, look_back, regroup, weighed
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.watermark import Watermark
from pipeline.records import Envelope, TrackletKey
from pipeline.store import (
    CONFIDENCE,
    Batch,
    Holding,
    Outcome,
    Received,
    RunState,
    Snapshot,
    StoredTracklet,
)

TICK = 0.5  # seconds of event time
SWEEP = 60.0  # seconds of event time between two looks for identities to forget


class Engine:
    """Who is who, in event time.

    ``feed`` messages in the order of the stream, then ``advance``.

    Args:
        config: thresholds and bounds.
        thresholds: of the decision, as the encoder's file recommends them; None where it does
            not. They are learned, or raised, while it runs, but where ``config`` says both.
        cameras: those of the site.
        topology: what is known of the ground.
        fingerprint: of the only encoder whose embeddings may meet; empty takes the first seen.
        wait_for_all: wait for cameras of which nothing was heard yet.
        runs: how far the cameras were before.
        index: see `Gallery`.

    Attributes:
        inbox: what the cameras said and whose time has not come.
        hand: the tracklets that it works on, and those that may still be repaired.
        links: what people said of pairs of tracklets.
    """

    def __init__(
        self,
        config: Matcher,
        thresholds: Thresholds | None,
        cameras: Collection[str],
        topology: Topology,
        fingerprint: str = "",
        wait_for_all: bool = False,
        runs: Iterable[RunState] = (),
        index: Index | None = None,
    ) -> None:
        self._forget_after = config.forget_after
        self.topology = topology
        self.topology.clocks.tolerance = config.clock_tolerance
        watermark = Watermark(cameras, config.max_lateness, wait_for_all, runs)
        self.inbox = Inbox(watermark, fingerprint)
        self.hand = Hand()
        self._tick: int | None = None
        self._observed = False  # since the last outcome
        gallery = Gallery(config.prototypes, config.exact_up_to, index)
        self.links = Links()
        self._likeness = Likeness(config, thresholds, gallery, self.links)
        self._people = People(gallery, self.links, config.max_identities, config.max_prototypes)

    @classmethod
    def restore(
        cls,
        snapshot: Snapshot,
        config: Matcher,
        thresholds: Thresholds | None,
        cameras: Collection[str],
        topology: Topology,
        fingerprint: str = "",
        wait_for_all: bool = False,
        index: Index | None = None,
    ) -> Engine:
        """The engine as it was when the store last committed."""
        fingerprint = snapshot.fingerprint or fingerprint
        engine = cls(
            config, thresholds, cameras, topology, fingerprint, wait_for_all, snapshot.runs, index
        )
        engine._resume(snapshot)
        return engine

    @property
    def gallery(self) -> Gallery:
        """What stands for the identities."""
        return self._people.gallery

    @property
    def timelines(self) -> Mapping[int, Timeline]:
        """Where each identity was."""
        return self._people.timelines

    @property
    def thresholds(self) -> Thresholds:
        """Of the decision, as they stand."""
        return self._likeness.thresholds

    @property
    def lookalikes(self) -> Lookalikes | None:
        """How much likeness says where many look alike."""
        return self._likeness.lookalikes

    @property
    def now(self) -> float:
        """The event time up to which it has decided; -inf at first."""
        return -math.inf if self._tick is None else self._tick * TICK

    @property
    def recommended(self) -> Mapping[str, float]:
        """The thresholds of the encoder's file, where it has any."""
        found = self._likeness.recommended
        return {} if found is None else {"accept": found.accept, "new": found.new}

    @property
    def idle(self) -> bool:
        """Whether nothing is left to decide of what was fed."""
        return self._due() == math.inf

    def feed(self, envelope: Envelope) -> Received | None:
        """Takes a message in; gives the update to be stored, None where it is none or not new."""
        received = self.inbox.receive(envelope, self.now)
        if received is not None:
            if self.inbox.admits(received.update):
                self.inbox.put(received)
            else:
                self._people.outcome.closed.append(received.update.key)
        return received

    def advance(self) -> Outcome:
        """Takes all ticks that are due; what was decided since this was last called."""
        limit, _ = self.inbox.watermark.now()
        while math.isfinite(due := self._due()):
            tick = math.ceil(due / TICK)
            if tick * TICK > limit:
                break
            self._take(tick)
        return self.take_outcome()

    def take(self, envelopes: Iterable[Envelope]) -> Batch:
        """Feeds messages and decides; all that the store has to write of it."""
        received = [self.feed(envelope) for envelope in envelopes]
        updates = [r for r in received if r is not None]
        outcome = self.advance()
        runs = self.inbox.watermark.take_changed()
        return Batch(updates, runs, outcome, self.inbox.fingerprint)

    def take_outcome(self) -> Outcome:
        """What was decided, or followed from what people said, since this was last asked."""
        outcome, self._people.outcome = self._people.outcome, Outcome()
        outcome.tick = self.now
        self._likeness.tell(outcome)
        outcome.dropped = self.hand.tell_dropped()
        if self._observed:
            outcome.topology = self.topology.state
            self._observed = False
        return outcome

    def settle(self, choice: Choice) -> int:
        """Carries out a decision of `pipeline.matcher.decision`."""
        option, runner_up = choice.option, choice.runner_up
        nearest = option or runner_up
        return self._people.settle(
            choice.tracklet,
            None if option is None else option.identity,
            self.now,
            {
                "rule": choice.rule,
                **(nearest.terms if nearest else {}),
                CONFIDENCE: choice.confidence(self.thresholds),
            },
            Evidence(
                math.nan if option is None else option.similarity,
                math.nan if runner_up is None else runner_up.similarity,
                None if runner_up is None else runner_up.identity,
                choice.doubt(self.thresholds),
            ),
        )

    def new_number(self) -> int:
        """A number for an identity that a person makes."""
        return self._people.new_number()

    def reassign(self, identity: int, holdings: Sequence[Holding]) -> None:
        """A person changed who is who, and the store has it so: these are all the tracklets that
        this identity has now. Of two that change, first the one that gains.
        """
        visits, prototypes = [], []
        for held in holdings:
            key, tracklet = held.visit.key, self.hand.get(held.visit.key)
            shown = held.prototype
            self.links.place(key, identity)
            if tracklet is None:
                visits.append(Visit(key, held.visit.start, held.visit.end, ended=True))
            else:
                visits.append(tracklet.visit)
                tracklet.assignment, tracklet.said = held.assignment, held.said
                if key in self.hand.open and shown and tracklet.embedding is not None:
                    shown = tracklet.embedding, tracklet.quality  # the store may be ahead
            if shown:
                prototypes.append((identity, key, *shown))
        self._people.give(identity, visits, prototypes)
        self._people.prune([identity], self._horizon())

    def forget(self, identity: int, keys: Collection[TrackletKey]) -> None:
        """An identity and its tracklets were forgotten: nothing of them may come again."""
        self.drop(identity)
        self.inbox.forget(keys)
        self.hand.forget(keys)
        self.links.forget(keys)
        self._likeness.forget(self.hand.all)

    def expire(self, keys: Collection[TrackletKey]) -> None:
        """Tracklets with which it is done are stored no more; `reassign` whose they were."""
        self.hand.forget(keys)
        self.links.forget(keys)
        for key in keys:
            self.gallery.remove(key)

    def drop(self, identity: int) -> None:
        """An identity has no tracklet any more."""
        self._people.drop(identity)

    def forbids(self, key: TrackletKey, identity: int) -> bool:
        """Whether a person said that a tracklet is not this identity."""
        return any(self.links.whose(other) == identity for other in self.links.apart(key))

    def last_seen(self) -> dict[str, list[tuple[float, int]]]:
        """For each camera when it lately saw which identity last."""
        seen: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
        for t in self.hand.open.values():
            if t.assignment is not None and self._people.has(t):
                seen[t.key.camera].append((t.visit.end, t.assignment.identity))
        return seen

    def _resume(self, snapshot: Snapshot) -> None:
        self._likeness.resume(snapshot)
        self.topology.resume(snapshot.topology)
        self.links.resume(snapshot.links, snapshot.whose)
        if math.isfinite(snapshot.tick):
            self._tick = round(snapshot.tick / TICK)
        prototypes = ((p.identity, p.key, p.embedding, p.quality) for p in snapshot.prototypes)
        self.gallery.resume_lists(snapshot.lists)
        self._people.resume(snapshot.gallery, snapshot.next_identity, prototypes)
        for stored in snapshot.tracklets:
            self._resume_tracklet(stored)
        self.hand.dropped = snapshot.dropped or NEVER
        for stored in islice(snapshot.recent, MOST):
            if not self._resume_recent(stored):
                break
        self._likeness.prepare(self.hand.all)
        horizon = self._horizon()
        for seen in snapshot.visits:
            visit = Visit(seen.key, seen.start, seen.end, ended=True)
            if seen.key in self.hand.closed:
                visit = self.hand.closed[seen.key].visit
            self._people.see(seen.identity, visit)
            self._people.prune([seen.identity], horizon)
        dimensions = (len(t.embedding) for t in self.hand.all if t.embedding is not None)
        self.inbox.resume(snapshot.forgotten, self.gallery.dimension or next(dimensions, 0))
        self._people.make_room()
        self._settle()

    def _resume_tracklet(self, stored: StoredTracklet) -> None:
        for received in stored.updates:
            if received.known_at <= self.now:
                self._apply(received)
            else:
                self.inbox.put(received)
        assignment = stored.assignment
        if assignment is None:
            return
        tracklet = self.hand.open[assignment.key]
        tracklet.visit.ended |= self.inbox.watermark.closed_at(tracklet.key) <= self.now
        tracklet.assignment, tracklet.said = assignment, stored.said
        self._people.see(assignment.identity, tracklet.visit)
        if stored.prototype and tracklet.embedding is not None and self._people.has(tracklet):
            self.gallery.restore(
                [(assignment.identity, tracklet.key, tracklet.embedding, tracklet.quality)]
            )

    def _resume_recent(self, stored: StoredTracklet) -> bool:
        """Takes a closed tracklet to hand; False where it was not there any more."""
        tracklet = Tracklet.of(stored.updates[0].update)
        for received in stored.updates:
            tracklet.apply(received.update, received.known_at)
        if by_end(tracklet) <= self.hand.dropped:
            return False
        tracklet.visit.ended = True
        tracklet.assignment, tracklet.said = stored.assignment, stored.said
        self.hand.closed[tracklet.key] = tracklet
        return True

    def _due(self) -> float:
        """The event time of the next thing to do; inf if there is none."""
        due = self.inbox.due
        for tracklet in self.hand.open.values():
            if tracklet.assignment is None and tracklet.embedding is not None:
                due = min(due, self.now + TICK)
            if not tracklet.visit.ended:
                closed_at = self.inbox.watermark.closed_at(tracklet.key)
                due = min(due, max(closed_at, tracklet.visit.end))
            elif tracklet.assignment is not None:
                due = min(due, (self.now // REPAIR_SECONDS + 1) * REPAIR_SECONDS)
        return max(due, self.now + TICK)

    def _take(self, tick: int) -> None:
        """One tick."""
        before, self._tick = self.now, tick
        sweep = self.now // SWEEP * SWEEP
        if before < sweep:
            self._people.sweep(sweep - self._forget_after)
        begun = [t for t in self.hand.open.values() if t.telling]
        grown = self._apply_coming()
        for tracklet in self.hand.open.values():
            tracklet.visit.ended |= self.inbox.watermark.closed_at(tracklet.key) <= self.now
        for tracklet in sorted(grown, key=lambda t: t.order):
            self._renew(tracklet)
        self._learn(begun, [t for t in grown if t.telling])
        decide(self, [t for t in self.hand.undecided if t.decidable(self.now)], self.now)
        if before < self.now // REPAIR_SECONDS * REPAIR_SECONDS:
            self._whiten(due=before < sweep)
            self._repair()
            self._observe(before)
        self._let_go()
        if lists := self.gallery.sort_anew(self.thresholds.new):
            self._people.outcome.lists = lists

    def _learn(self, begun: Sequence[Tracklet], grown: Sequence[Tracklet]) -> None:
        self._settle()
        self._likeness.learn(begun, grown, self.hand.all, self.topology)
        self._settle()

    def _whiten(self, *, due: bool) -> None:
        self._likeness.learn_anew(self.hand.all, self.timelines, self.topology, due=due)
        self._settle()

    def _settle(self) -> None:
        self._likeness.settle(len(self.timelines))

    def _apply_coming(self) -> list[Tracklet]:
        """Takes over what is known by now; the tracklets that it changed."""
        grown: dict[TrackletKey, Tracklet] = {}
        for received in self.inbox.take(self.now):
            grown[received.update.key] = self._apply(received)
        self._likeness.prepare(grown.values())
        return list(grown.values())

    def _apply(self, received: Received) -> Tracklet:
        tracklet = self.hand.take_up(received.update)
        tracklet.apply(received.update, received.known_at)
        return tracklet

    def _renew(self, tracklet: Tracklet) -> None:
        """A tracklet with an identity went on: its prototype too, or it cannot have it any more
        (only what comes late can show that; whatever comes in time was waited for).
        """
        if tracklet.assignment is None or not self._people.has(tracklet):
            return
        if tracklet.said or len(self.links.group(tracklet.key)) > 1:
            self._people.show(tracklet)
            return
        timeline = self.timelines[tracklet.assignment.identity]
        if timeline.standing(tracklet.visit, self.topology) is Standing.IMPOSSIBLE:
            reason = {"rule": "was elsewhere at the same time"}
            self._people.release(tracklet, self.now, reason)
        else:
            self._people.show(tracklet)

    def _repair(self) -> None:
        """Groups the newest tracklets anew, and moves those that belong elsewhere."""
        decided = [t for t in self.hand.all if t.assignment is not None and t.embedding is not None]
        newest = sorted(decided, key=by_end)[-MOST:]
        movable = (t for t in newest if self._people.has(t) and not t.said)
        those = sorted(movable, key=lambda t: t.order)
        if those:
            recent = look_back(those, self.gallery, self.timelines, self.topology, self.links)
            groups = regroup(weighed(recent, self.lookalikes), self.thresholds)
            repairs = find_repairs(those, recent, groups, self.thresholds, self.lookalikes)
            self._people.repair(repairs, self.now)

    def _observe(self, before: float) -> None:
        """Learns of the ground from what ended a while before this repair, and not before the last
        one.
        """
        first, last = ((t // REPAIR_SECONDS - 1) * REPAIR_SECONDS for t in (before, self.now))
        decided = [t for t in self.hand.all if t.assignment is not None]
        new = [t for t in decided if t.visit.ended and first < t.visit.end <= last]
        if new:
            new.sort(key=lambda t: t.order)
            observe(self.topology, decided, new, self.thresholds)
            self.topology.clocks.settle()
            self._observed = True

    def _let_go(self) -> None:
        """Closes what is over and done with, and keeps the bounds."""
        over = self.hand.close(self.now)
        self._likeness.learn_cameras(over)
        self._people.outcome.closed += [tracklet.key for tracklet in over]
        identities = {t.assignment.identity for t in over if t.assignment is not None}
        self._people.prune(identities, self._horizon())

    def _horizon(self) -> float:
        return self.hand.horizon(self.now) - self.topology.clocks.tolerance
