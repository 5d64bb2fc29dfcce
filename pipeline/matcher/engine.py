"""The decisions as a pure function of what the cameras said: no Redis, no store, no clock.

Event time goes in ticks. A tick takes what is known up to its time, in one order for all, and
decides; a tick is taken when the watermark has passed it and something is due. So the same messages
give the same identities in whatever order the cameras' streams are mixed, and an `Engine` that is
built from the store after a crash goes on as if nothing had happened.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from pipeline.config import Matcher
from pipeline.matcher.decision import Choice, decide
from pipeline.matcher.gallery import Gallery
from pipeline.matcher.index import Index
from pipeline.matcher.likeness import Likeness
from pipeline.matcher.observation import observe
from pipeline.matcher.people import Evidence, People
from pipeline.matcher.presence import (
    CONTINUATION_SECONDS,
    HANDOVER_SECONDS,
    Standing,
    Timeline,
    Visit,
)
from pipeline.matcher.repair import MOST, REPAIR_SECONDS, find_repairs, look_back, regroup
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.watermark import Watermark
from pipeline.records import Envelope, TrackletKey, TrackletUpdate
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
LINGER = 5.0  # seconds for which a tracklet that ended is kept at hand
SWEEP = 60.0  # seconds of event time between two looks for identities to forget
_HORIZON = 5.0  # seconds that visits are kept longer than the earliest open tracklet needs


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
        late: updates that came after their time had been decided.
        foreign: updates of another encoder, which stay undecided.
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
        self.fingerprint = fingerprint
        self.watermark = Watermark(cameras, config.max_lateness, wait_for_all, runs)
        self.late = 0
        self.foreign = 0
        self.refused = 0  # updates of tracklets that were forgotten
        self._tracklets: dict[TrackletKey, Tracklet] = {}
        self._recent: dict[TrackletKey, Tracklet] = {}  # closed, but may still be repaired
        self._coming: list[tuple[float, TrackletKey, int, Received]] = []  # heap
        self._tick: int | None = None
        self._dimension = 0
        self._observed = False  # since the last outcome
        self._forgotten: set[TrackletKey] = set()
        gallery = Gallery(config.prototypes, config.exact_up_to, index)
        self._likeness = Likeness(config, thresholds, gallery)
        self._people = People(gallery, config.max_identities, config.max_prototypes)

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
    def now(self) -> float:
        """The event time up to which it has decided; -inf at first."""
        return -math.inf if self._tick is None else self._tick * TICK

    @property
    def undecided(self) -> int:
        """Tracklets at hand that have an embedding and no identity yet."""
        return sum(
            t.assignment is None and t.embedding is not None for t in self._tracklets.values()
        )

    @property
    def waiting(self) -> int:
        """Updates whose time has not come."""
        return len(self._coming)

    @property
    def recommended(self) -> Mapping[str, float]:
        """The thresholds of the encoder's file, where it has any."""
        found = self._likeness.recommended
        return {} if found is None else {"accept": found.accept, "new": found.new}

    def began(self, key: TrackletKey) -> float | None:
        """Capture time at which a tracklet at hand began."""
        tracklet = self._tracklets.get(key)
        return None if tracklet is None else tracklet.visit.start

    @property
    def idle(self) -> bool:
        """Whether nothing is left to decide of what was fed."""
        return self._due() == math.inf

    def feed(self, envelope: Envelope) -> Received | None:
        """Takes a message in; gives the update to be stored, None where it is none or not new."""
        run = self.watermark.observe(envelope)
        update = envelope.body
        if run is None or not isinstance(update, TrackletUpdate):
            return None
        if update.key in self._forgotten:
            self.refused += 1
            return None
        known_at = self.watermark.known_at(update.camera, update.end)
        if known_at <= self.now:
            self.late += 1
            known_at = math.nextafter(self.now, math.inf)
        received = Received(update, known_at)
        if self._admits(update):
            self._expect(received)
        else:
            self._people.outcome.closed.append(update.key)
        return received

    def advance(self) -> Outcome:
        """Takes all ticks that are due; what was decided since this was last called."""
        limit, _ = self.watermark.now()
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
        return Batch(updates, self.watermark.take_changed(), outcome, self.fingerprint)

    def take_outcome(self) -> Outcome:
        """What was decided, or followed from what people said, since this was last asked."""
        outcome, self._people.outcome = self._people.outcome, Outcome()
        outcome.tick = self.now
        outcome.calibration, outcome.whitening = self._likeness.take_state()
        if self._observed:
            outcome.topology = self.topology.state
            self._observed = False
        return outcome

    def settle(self, choice: Choice) -> int:
        """Carries out a decision of `pipeline.matcher.decision`."""
        option, runner_up = choice.option, choice.runner_up
        return self._people.settle(
            choice.tracklet,
            None if option is None else option.identity,
            self.now,
            {
                "rule": choice.rule,
                **(option.terms if option else {}),
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
        known = {**self._recent, **self._tracklets}
        visits, prototypes = [], []
        for held in holdings:
            key, tracklet = held.visit.key, known.get(held.visit.key)
            shown = held.prototype
            if tracklet is None:
                visits.append(Visit(key, held.visit.start, held.visit.end, ended=True))
            else:
                visits.append(tracklet.visit)
                tracklet.assignment, tracklet.said = held.assignment, held.said
                if key in self._tracklets and shown and tracklet.embedding is not None:
                    shown = tracklet.embedding, tracklet.quality  # the store may be ahead
            if shown:
                prototypes.append((identity, key, *shown))
        self._people.give(identity, visits, prototypes)
        self._people.prune([identity], self._horizon())

    def forget(self, identity: int, keys: Collection[TrackletKey]) -> None:
        """An identity and its tracklets were forgotten: nothing of them may come again."""
        self.drop(identity)
        self._forgotten.update(keys)
        for known in (self._tracklets, self._recent):
            for key in self._forgotten & known.keys():
                del known[key]
        self._coming = [item for item in self._coming if item[1] not in self._forgotten]
        heapq.heapify(self._coming)
        self._likeness.forget(self._known())

    def expire(self, keys: Iterable[TrackletKey]) -> None:
        """Tracklets with which it is done are stored no more; `reassign` whose they were."""
        for key in keys:
            self._recent.pop(key, None)
            self.gallery.remove(key)

    def drop(self, identity: int) -> None:
        """An identity has no tracklet any more."""
        self._people.drop(identity)

    def last_seen(self) -> dict[str, list[tuple[float, int]]]:
        """For each camera when it lately saw which identity last."""
        seen: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
        for t in self._tracklets.values():
            if t.assignment is not None and self._people.has(t):
                seen[t.key.camera].append((t.visit.end, t.assignment.identity))
        return seen

    def _resume(self, snapshot: Snapshot) -> None:
        self._likeness.resume(snapshot.calibration, snapshot.whitening)
        self.topology.resume(snapshot.topology)
        self._forgotten = set(snapshot.forgotten)
        if math.isfinite(snapshot.tick):
            self._tick = round(snapshot.tick / TICK)
        prototypes = ((p.identity, p.key, p.embedding, p.quality) for p in snapshot.prototypes)
        self.gallery.resume_lists(snapshot.lists)
        self._people.resume(snapshot.gallery, snapshot.next_identity, prototypes)
        self._dimension = self.gallery.dimension or 0
        for stored in snapshot.tracklets:
            self._resume_tracklet(stored)
        for stored in islice(snapshot.recent, MOST):
            self._resume_recent(stored)
        horizon = self._horizon()
        for seen in snapshot.visits:
            visit = Visit(seen.key, seen.start, seen.end, ended=True)
            if seen.key in self._recent:
                visit = self._recent[seen.key].visit
            self._people.see(seen.identity, visit)
            self._people.prune([seen.identity], horizon)
        self._people.make_room()
        self._likeness.settle(len(self.timelines))

    def _resume_tracklet(self, stored: StoredTracklet) -> None:
        for received in stored.updates:
            if received.known_at <= self.now:
                self._apply(received)
            else:
                self._expect(received)
        assignment = stored.assignment
        if assignment is None:
            return
        tracklet = self._tracklets[assignment.key]
        tracklet.visit.ended |= self.watermark.closed_at(tracklet.key) <= self.now
        tracklet.assignment, tracklet.said = assignment, stored.said
        self._people.see(assignment.identity, tracklet.visit)
        if stored.prototype and tracklet.embedding is not None and self._people.has(tracklet):
            self.gallery.restore(
                [(assignment.identity, tracklet.key, tracklet.embedding, tracklet.quality)]
            )

    def _resume_recent(self, stored: StoredTracklet) -> None:
        tracklet = Tracklet.of(stored.updates[0].update)
        for received in stored.updates:
            tracklet.apply(received.update, received.known_at)
        tracklet.visit.ended = True
        self._likeness.prepare([tracklet])
        tracklet.assignment, tracklet.said = stored.assignment, stored.said
        self._recent[tracklet.key] = tracklet

    def _expect(self, received: Received) -> None:
        """Keeps an update until its time; the picture is not needed, and many may wait here."""
        update = replace(received.update, thumbnail=None)
        item = (received.known_at, update.key, update.seq, Received(update, received.known_at))
        heapq.heappush(self._coming, item)

    def _admits(self, update: TrackletUpdate) -> bool:
        """Whether decisions may use the update; one of another encoder is only stored."""
        if update.embedding is not None:
            self.fingerprint = self.fingerprint or update.fingerprint
            self._dimension = self._dimension or len(update.embedding)
        known = not self.fingerprint or update.fingerprint == self.fingerprint
        fits = update.embedding is None or len(update.embedding) == self._dimension
        self.foreign += not (known and fits)
        return known and fits

    def _due(self) -> float:
        """The event time of the next thing to do; inf if there is none."""
        due = self._coming[0][0] if self._coming else math.inf
        for tracklet in self._tracklets.values():
            if tracklet.assignment is None and tracklet.embedding is not None:
                due = min(due, self.now + TICK)
            if not tracklet.visit.ended:
                closed_at = self.watermark.closed_at(tracklet.key)
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
        begun = [t for t in self._tracklets.values() if t.telling]
        grown = self._apply_coming()
        for tracklet in self._tracklets.values():
            tracklet.visit.ended |= self.watermark.closed_at(tracklet.key) <= self.now
        for tracklet in sorted(grown, key=lambda t: t.order):
            self._renew(tracklet)
        self._learn(begun, [t for t in grown if t.telling])
        undecided = [t for t in self._tracklets.values() if t.assignment is None]
        decide(self, [t for t in undecided if t.decidable(self.now)], self.now)
        if before < self.now // REPAIR_SECONDS * REPAIR_SECONDS:
            self._whiten(due=before < sweep)
            self._repair()
            self._observe(before)
        self._let_go()
        if lists := self.gallery.sort_anew(self.thresholds.new):
            self._people.outcome.lists = lists

    def _learn(self, begun: Sequence[Tracklet], grown: Sequence[Tracklet]) -> None:
        self._likeness.learn(begun, grown, self.topology)
        self._likeness.settle(len(self.timelines))

    def _whiten(self, *, due: bool) -> None:
        self._likeness.learn_anew(self._known(), self.timelines, self.topology, due=due)
        self._likeness.settle(len(self.timelines))

    def _apply_coming(self) -> list[Tracklet]:
        """Takes over what is known by now; the tracklets that it changed."""
        grown: dict[TrackletKey, Tracklet] = {}
        while self._coming and self._coming[0][0] <= self.now:
            received = heapq.heappop(self._coming)[3]
            grown[received.update.key] = self._apply(received)
        return list(grown.values())

    def _apply(self, received: Received) -> Tracklet:
        update = received.update
        if update.embedding is not None:
            self._dimension = len(update.embedding)
        tracklet = self._tracklets.get(update.key)
        if tracklet is None:  # one that was closed is taken up again
            tracklet = self._recent.pop(update.key, None) or Tracklet.of(update)
            self._tracklets[update.key] = tracklet
        tracklet.apply(update, received.known_at)
        self._likeness.prepare([tracklet])
        return tracklet

    def _renew(self, tracklet: Tracklet) -> None:
        """A tracklet with an identity went on: its prototype too, or it cannot have it any more
        (only what comes late can show that; whatever comes in time was waited for).
        """
        if tracklet.assignment is None or not self._people.has(tracklet):
            return
        if tracklet.said:
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
        decided = [t for t in self._known() if t.assignment is not None and t.embedding is not None]
        newest = sorted(decided, key=_by_end)[-MOST:]
        movable = (t for t in newest if self._people.has(t) and not t.said)
        those = sorted(movable, key=lambda t: t.order)
        if those:
            recent = look_back(those, self.gallery, self.timelines, self.topology)
            repairs = find_repairs(those, recent, regroup(recent, self.thresholds))
            self._people.repair(repairs, self.now)

    def _observe(self, before: float) -> None:
        """Learns of the ground from what ended a while before this repair, and not before the last
        one.
        """
        first, last = ((t // REPAIR_SECONDS - 1) * REPAIR_SECONDS for t in (before, self.now))
        decided = [t for t in self._known() if t.assignment is not None]
        new = [t for t in decided if t.visit.ended and first < t.visit.end <= last]
        if new:
            new.sort(key=lambda t: t.order)
            observe(self.topology, decided, new, self.thresholds)
            self.topology.clocks.settle()
            self._observed = True

    def _known(self) -> list[Tracklet]:
        """All tracklets at hand, also closed ones that may still be repaired."""
        return [*self._recent.values(), *self._tracklets.values()]

    def _let_go(self) -> None:
        """Closes what is over and done with, and keeps the bounds."""
        starts: defaultdict[str, list[float]] = defaultdict(list)
        for tracklet in self._tracklets.values():
            if tracklet.active:
                starts[tracklet.key.camera].append(tracklet.visit.start)
        for own in starts.values():
            own.sort()
        over = [t for t in self._tracklets.values() if self._is_over(t, starts[t.key.camera])]
        for tracklet in over:
            del self._tracklets[tracklet.key]
            self._people.outcome.closed.append(tracklet.key)
            if tracklet.assignment is not None:
                self._recent[tracklet.key] = tracklet
        for tracklet in sorted(self._recent.values(), key=_by_end)[:-MOST]:
            tracklet.visit.forget_boxes()
            del self._recent[tracklet.key]
        identities = {t.assignment.identity for t in over if t.assignment is not None}
        self._people.prune(identities, self._horizon())

    def _is_over(self, tracklet: Tracklet, starts: Sequence[float]) -> bool:
        """Whether no decision can change, or need to know where it led: ``starts`` are those of
        the active tracklets of its camera, in order.
        """
        end = tracklet.visit.end
        if tracklet.active or self.now < end + LINGER:
            return False
        changed = max(end, tracklet.assignment.time if tracklet.assignment else end)
        if self.now // REPAIR_SECONDS <= changed // REPAIR_SECONDS:
            return False
        following = bisect.bisect_left(starts, end - HANDOVER_SECONDS)
        return following == len(starts) or starts[following] > end + CONTINUATION_SECONDS

    def _horizon(self) -> float:
        """What ended before this, no rule asks for, but for the last of each identity."""
        kept = (*self._tracklets.values(), *self._recent.values())
        first = min((t.visit.start for t in kept), default=self.now)
        return min(first, self.now) - _HORIZON - self.topology.clocks.tolerance


def _by_end(tracklet: Tracklet) -> tuple[float, TrackletKey]:
    return tracklet.visit.end, tracklet.key
