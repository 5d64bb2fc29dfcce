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
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import count

from pipeline.config import Matcher
from pipeline.matcher.calibration import Calibration
from pipeline.matcher.decision import Choice, best_alone, decide
from pipeline.matcher.gallery import Gallery
from pipeline.matcher.presence import (
    CONTINUATION_SECONDS,
    HANDOVER_SECONDS,
    Standing,
    Timeline,
    Visit,
    standing,
)
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.watermark import Watermark
from pipeline.records import (
    Assignment,
    Decision,
    Envelope,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.store import Outcome, Received, RunState, Snapshot, Verdict

TICK = 0.5  # seconds of event time
LINGER = 5.0  # seconds for which a tracklet that ended is kept at hand
SWEEP = 60.0  # seconds of event time between two looks for identities to forget
_HORIZON = 5.0  # seconds that visits are kept longer than the earliest open tracklet needs


class Engine:
    """Who is who, in event time.

    ``feed`` messages in the order of the stream, then ``advance``.

    Args:
        config: thresholds and bounds.
        thresholds: of the decision; None learns them while it runs.
        cameras: those of the site.
        topology: what is known of the ground.
        fingerprint: of the only encoder whose embeddings may meet; empty takes the first seen.
        wait_for_all: wait for cameras of which nothing was heard yet.
        runs: how far the cameras were before.

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
    ) -> None:
        self._calibration = None if thresholds else Calibration(config.patience)
        self.thresholds = thresholds or Calibration(config.patience).thresholds
        self.topology = topology
        self.fingerprint = fingerprint
        self.gallery = Gallery(config.prototypes)
        self.timelines: dict[int, Timeline] = {}
        self.watermark = Watermark(cameras, config.max_lateness, wait_for_all, runs)
        self.late = 0
        self.foreign = 0
        self._config = config
        self._tracklets: dict[TrackletKey, Tracklet] = {}
        self._coming: list[tuple[float, TrackletKey, int, Received]] = []  # heap
        self._tick: int | None = None
        self._numbers = count(1)
        self._dimension = 0
        self._outcome = Outcome()

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
    ) -> Engine:
        """The engine as it was when the store last committed."""
        fingerprint = snapshot.fingerprint or fingerprint
        engine = cls(
            config, thresholds, cameras, topology, fingerprint, wait_for_all, snapshot.runs
        )
        engine._resume(snapshot)
        return engine

    @property
    def now(self) -> float:
        """The event time up to which it has decided; -inf at first."""
        return -math.inf if self._tick is None else self._tick * TICK

    @property
    def undecided(self) -> int:
        """Tracklets at hand that have no identity yet."""
        return sum(t.assignment is None for t in self._tracklets.values())

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
        known_at = self.watermark.known_at(update.camera, update.end)
        if known_at <= self.now:
            self.late += 1
            known_at = math.nextafter(self.now, math.inf)
        received = Received(update, known_at)
        if self._admits(update):
            self._expect(received)
        else:
            self._outcome.closed.append(update.key)
        return received

    def advance(self) -> Outcome:
        """Takes all ticks that are due; what was decided since this was last called."""
        limit, _ = self.watermark.now()
        while math.isfinite(due := self._due()):
            tick = math.ceil(due / TICK)
            if tick * TICK > limit:
                break
            self._take(tick)
        outcome, self._outcome = self._outcome, Outcome()
        outcome.tick = self.now
        return outcome

    def settle(self, choice: Choice) -> int:
        """Carries out a decision of `pipeline.matcher.decision`."""
        tracklet, option = choice.tracklet, choice.option
        identity = next(self._numbers) if option is None else option.identity
        assignment = Assignment(
            tracklet.key,
            identity,
            Decision.NEW if option is None else Decision.MATCHED,
            math.nan if option is None else option.similarity,
            math.nan if choice.runner_up is None else choice.runner_up.similarity,
            self.now,
        )
        former = tracklet.assignment.identity if tracklet.assignment else None
        reason: dict[str, float | str] = {"rule": choice.rule, **(option.terms if option else {})}
        self._outcome.verdicts.append(Verdict(tracklet.key, self.now, assignment, former, reason))
        self._attach(tracklet, assignment)
        return identity

    def last_seen(self) -> dict[str, list[tuple[float, int]]]:
        """For each camera when it lately saw which identity last."""
        seen: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
        for t in self._tracklets.values():
            if t.assignment is not None and t.assignment.identity in self.timelines:
                seen[t.key.camera].append((t.visit.end, t.assignment.identity))
        return seen

    def _resume(self, snapshot: Snapshot) -> None:
        if self._calibration is not None:
            self._calibration = Calibration(self._config.patience, snapshot.calibration)
            self.thresholds = self._calibration.thresholds
        self._numbers = count(snapshot.next_identity)
        if math.isfinite(snapshot.tick):
            self._tick = round(snapshot.tick / TICK)
        self.timelines = {identity: Timeline() for identity in snapshot.gallery}
        for stored in snapshot.tracklets:
            self._resume_tracklet(stored.updates, stored.assignment, stored.prototype)
        self.gallery.restore(
            (p.identity, p.key, p.embedding, p.quality) for p in snapshot.prototypes
        )
        self._dimension = self._dimension or self.gallery.dimension or 0
        horizon = self._horizon()
        for visit in snapshot.visits:
            timeline = self.timelines[visit.identity]
            timeline.add(Visit(visit.key, visit.start, visit.end, ended=True))
            timeline.prune(horizon)

    def _resume_tracklet(
        self, updates: Iterable[Received], assignment: Assignment | None, prototype: bool
    ) -> None:
        for received in updates:
            if received.known_at <= self.now:
                self._apply(received)
            else:
                self._expect(received)
        if assignment is None:
            return
        tracklet = self._tracklets[assignment.key]
        tracklet.visit.ended |= self.watermark.closed_at(tracklet.key) <= self.now
        tracklet.assignment = assignment
        if assignment.identity not in self.timelines:
            return  # forgotten meanwhile
        self.timelines[assignment.identity].add(tracklet.visit)
        if prototype and tracklet.embedding is not None:
            self.gallery.restore(
                [(assignment.identity, tracklet.key, tracklet.embedding, tracklet.quality)]
            )

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
        return max(due, self.now + TICK)

    def _take(self, tick: int) -> None:
        """One tick."""
        before, self._tick = self.now, tick
        sweep = self.now // SWEEP * SWEEP
        if before < sweep:
            self._sweep(sweep)
        open_before = {key for key, t in self._tracklets.items() if not t.visit.ended}
        grown = self._apply_coming()
        for tracklet in self._tracklets.values():
            tracklet.visit.ended |= self.watermark.closed_at(tracklet.key) <= self.now
        for tracklet in sorted(grown, key=lambda t: t.order):
            self._renew(tracklet)
        ended = [self._tracklets[key] for key in open_before if self._tracklets[key].visit.ended]
        ended.sort(key=lambda t: t.order)
        for tracklet in ended:
            self._learn(tracklet)
        for tracklet in ended:
            self._reconsider(tracklet)
        undecided = [t for t in self._tracklets.values() if t.assignment is None]
        decide(self, [t for t in undecided if t.decidable(self.now)], self.now)
        self._let_go()

    def _learn(self, tracklet: Tracklet) -> None:
        """What a tracklet that has ended says of the encoder."""
        if self._calibration is None:
            return
        others = [
            other.embedding
            for other in sorted(self._tracklets.values(), key=lambda t: t.order)
            if other.embedding is not None
            and standing(tracklet.visit, other.visit, self.topology) is Standing.IMPOSSIBLE
            and other is not tracklet
        ]
        self._calibration.learn(tracklet, others)
        self.thresholds = self._calibration.thresholds
        self._outcome.calibration = self._calibration.state

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
        if tracklet is None:
            tracklet = self._tracklets[update.key] = Tracklet.of(update)
        tracklet.apply(update, received.known_at)
        return tracklet

    def _renew(self, tracklet: Tracklet) -> None:
        """A tracklet with an identity went on: its prototype too, or it cannot have it any more
        (only what comes late can show that; whatever comes in time was waited for).
        """
        assignment = tracklet.assignment
        if assignment is None or assignment.identity not in self.timelines:
            return
        timeline = self.timelines[assignment.identity]
        if timeline.standing(tracklet.visit, self.topology) is Standing.IMPOSSIBLE:
            self._detach(tracklet)
            tracklet.assignment = None
            reason = {"rule": "was elsewhere at the same time"}
            self._outcome.verdicts.append(
                Verdict(tracklet.key, self.now, None, assignment.identity, reason)
            )
            return
        self._show(assignment.identity, tracklet)

    def _reconsider(self, tracklet: Tracklet) -> None:
        """Once a tracklet has ended and its embedding is as good as it gets: an identity of its
        own, or a weak match, is decided again.
        """
        former = tracklet.assignment
        if former is None or former.identity not in self.timelines:
            return
        alone = len(self.timelines[former.identity]) == 1
        weak = former.decision is Decision.MATCHED and former.similarity < self.thresholds.accept
        if not alone and not weak:
            return
        timeline = self.timelines[former.identity]
        timeline.remove(tracklet.visit)
        self._hide(tracklet.key)
        ranked = best_alone(self, tracklet)
        timeline.add(tracklet.visit)
        self._show(former.identity, tracklet)
        best, runner_up = (*ranked, None, None)[:2]
        if best and best.identity != former.identity and best.beats(runner_up, self.thresholds):
            self._move(tracklet, Choice(tracklet, best, runner_up, "alike, seen whole"))
        elif not alone and former.identity not in {o.identity for o in ranked}:
            self._move(tracklet, Choice(tracklet, None, None, "unlike, seen whole"))

    def _move(self, tracklet: Tracklet, choice: Choice) -> None:
        self._detach(tracklet)
        self.settle(choice)

    def _attach(self, tracklet: Tracklet, assignment: Assignment) -> None:
        tracklet.assignment = assignment
        self.timelines.setdefault(assignment.identity, Timeline()).add(tracklet.visit)
        self._show(assignment.identity, tracklet)

    def _detach(self, tracklet: Tracklet) -> None:
        assert tracklet.assignment is not None
        identity = tracklet.assignment.identity
        self.timelines[identity].remove(tracklet.visit)
        self._hide(tracklet.key)
        if not len(self.timelines[identity]):
            self._forget(identity)

    def _show(self, identity: int, tracklet: Tracklet) -> None:
        """Its embedding stands for the identity, if it is one of the few that do."""
        if tracklet.embedding is None:
            return
        key = tracklet.key
        known = key in self.gallery
        out = self.gallery.put(identity, key, tracklet.embedding, tracklet.quality)
        if not known:
            self._outcome.prototypes[key] = True
        if out is not None:
            self._outcome.prototypes[out] = False

    def _hide(self, key: TrackletKey) -> None:
        if key in self.gallery:
            self.gallery.remove(key)
            self._outcome.prototypes[key] = False

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
            tracklet.visit.forget_boxes()
            del self._tracklets[tracklet.key]
            self._outcome.closed.append(tracklet.key)
        horizon = self._horizon()
        for tracklet in over:
            if tracklet.assignment and tracklet.assignment.identity in self.timelines:
                self.timelines[tracklet.assignment.identity].prune(horizon)
        if len(self.timelines) > self._config.max_identities:
            self._evict()

    def _is_over(self, tracklet: Tracklet, starts: Sequence[float]) -> bool:
        """Whether no decision can change, or need to know where it led: ``starts`` are those of
        the active tracklets of its camera, in order.
        """
        end = tracklet.visit.end
        if tracklet.active or self.now < end + LINGER:
            return False
        following = bisect.bisect_left(starts, end - HANDOVER_SECONDS)
        return following == len(starts) or starts[following] > end + CONTINUATION_SECONDS

    def _horizon(self) -> float:
        """What ended before this, no rule asks for, but for the last of each identity."""
        first = min((t.visit.start for t in self._tracklets.values()), default=self.now)
        return min(first, self.now) - _HORIZON

    def _sweep(self, moment: float) -> None:
        """Forgets who was not seen for long."""
        limit = moment - self._config.forget_after
        for identity in [i for i, t in self.timelines.items() if t.over and t.last_seen < limit]:
            self._forget(identity)

    def _evict(self) -> None:
        """Forgets those unseen for longest; a few more than needed, so that it is rarely done."""
        over = sorted((t.last_seen, i) for i, t in self.timelines.items() if t.over)
        excess = len(self.timelines) - self._config.max_identities
        for _, identity in over[: excess + self._config.max_identities // 100]:
            self._forget(identity)

    def _forget(self, identity: int) -> None:
        del self.timelines[identity]
        self.gallery.forget(identity)
        self._outcome.retired.append(identity)
