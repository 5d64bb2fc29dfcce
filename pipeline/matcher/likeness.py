"""How embeddings are compared on this site, and how alike is alike enough: both are learned while
the matcher runs, and belong together.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.config import Matcher
from pipeline.matcher.calibration import Calibration, centred
from pipeline.matcher.gallery import Gallery
from pipeline.matcher.links import Links
from pipeline.matcher.lookalikes import Lookalikes, nearest_others
from pipeline.matcher.presence import Standing, Timeline, beside, standing
from pipeline.matcher.sameness import Sameness
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.whitening import Whitening
from pipeline.records import TrackletKey
from pipeline.store import Outcome, Snapshot

GROWN = 1.1  # times as many prototypes as the whitening was learned from: it is learned anew
NEWEST = 256  # identities that it is learned from, those seen last


class Likeness:
    """Keeps the gallery and tracklets ready to be compared.

    Args:
        config: where it says both thresholds, nothing is learned.
        recommended: thresholds, see `Engine`.
        gallery: whose embeddings are compared.
        links: what people said of pairs.

    Attributes:
        recommended: as given.
        thresholds: as they stand.
        lookalikes: how much likeness says where many look alike; None where nothing is learned.
    """

    def __init__(
        self, config: Matcher, recommended: Thresholds | None, gallery: Gallery, links: Links
    ) -> None:
        self._patience, self.recommended = config.patience, recommended
        self._fixed = recommended is not None and None not in (config.accept, config.new)
        self._gallery, self._links = gallery, links
        self._calibration = Calibration(config.patience, recommended=recommended)
        self._sameness = Sameness()
        self.thresholds = self._calibration.among(0)
        self.lookalikes: Lookalikes | None = None
        self._changed = self._new_sameness = self._new_whitening = False

    def resume(self, snapshot: Snapshot) -> None:
        """Goes on from what `tell` said."""
        if self._fixed:  # what was learned before is for other thresholds
            return
        self._gallery.whitening = Whitening.of(snapshot.whitening)
        self._calibration = Calibration(self._patience, snapshot.calibration, self._base)
        self._sameness = Sameness(snapshot.sameness)

    def tell(self, outcome: Outcome) -> None:
        """Says what has changed since this was asked."""
        if self._changed:
            outcome.calibration = self._calibration.state
        if self._new_sameness:
            outcome.sameness = self._sameness.state
        if self._new_whitening:
            outcome.whitening = self._gallery.whitening.state
        self._changed = self._new_sameness = self._new_whitening = False

    def prepare(self, tracklets: Iterable[Tracklet]) -> None:
        """For comparison, when their embeddings have changed."""
        those, embeddings = [], []
        for tracklet in tracklets:
            if tracklet.embedding is not None:
                those.append(tracklet)
                embeddings.append(tracklet.embedding)
        cameras = [tracklet.key.camera for tracklet in those]
        whitened = self._gallery.whitening.apply(np.array(embeddings, np.float32), cameras)
        for tracklet, own in zip(those, whitened, strict=True):
            tracklet.whitened = own

    def learn(
        self,
        begun: Sequence[Tracklet],
        grown: Sequence[Tracklet],
        known: Sequence[Tracklet],
        topology: Topology,
    ) -> None:
        """That those who are in view together are others, once enough is seen of both.

        Args:
            begun: those of whom enough was seen before this tick.
            grown: those who went on in it, and of whom enough is seen now.
            known: all that are at hand.
        """
        new = sorted(set(grown) - set(begun), key=lambda t: t.order)
        if self._fixed or not new:
            return
        everywhere = self.recommended is None
        before: defaultdict[str, list[Tracklet]] = defaultdict(list)
        for tracklet in begun:
            before["" if everywhere else tracklet.key.camera].append(tracklet)
        pairs = []
        for tracklet in new:
            others = before["" if everywhere else tracklet.key.camera]
            pairs += [(tracklet, o) for o in others if self._certain(tracklet, o, topology)]
            others.append(tracklet)
        self._learn_pairs(pairs, known)

    def learn_cameras(self, over: Iterable[Tracklet]) -> None:
        """How alike one person is in which camera, from tracklets that are over."""
        whitening = self._gallery.whitening
        if self._fixed or not whitening.known:
            return
        for tracklet in sorted(over, key=lambda t: t.order):
            if halves := tracklet.halves:
                camera = tracklet.key.camera
                one, other = whitening.apply(np.array(halves, np.float32), [camera] * 2)
                self._sameness.learn(camera, float(one.astype(np.float64) @ other))
                self._new_sameness = True

    def learn_anew(
        self,
        known: Collection[Tracklet],
        timelines: Mapping[int, Timeline],
        topology: Topology,
        *,
        due: bool,
    ) -> None:
        """Learns the whitening from the gallery as it is, where that has grown or it is ``due``,
        and all else that hangs on it from the tracklets that are ``known``.
        """
        whitening = self._gallery.whitening
        if self._fixed or not (due or len(self._gallery) >= GROWN * whitening.learned_from):
            return
        newest = heapq.nlargest(NEWEST, ((t.last_seen, i) for i, t in timelines.items()))
        views = [
            (identity, key.camera, embedding)
            for _, identity in newest
            for key, embedding in self._gallery.prototypes(identity).items()
        ]
        self._gallery.whitening = Whitening.learn(views, len(self._gallery))
        self._new_whitening = self._changed = True
        self._begin_anew(known)
        telling = sorted((t for t in known if t.telling), key=lambda t: t.order)
        pairs = []
        for place, tracklet in enumerate(telling):
            for other in telling[place + 1 :]:
                if other.visit.start > tracklet.visit.end:
                    break
                if self._certain(tracklet, other, topology):
                    pairs.append((tracklet, other))
        self._learn_pairs(pairs, known)
        self._shift()

    def forget(self, known: Collection[Tracklet]) -> None:
        """What was learned may show somebody who was forgotten; the store has dropped it too."""
        self._gallery.whitening = Whitening()
        self._sameness = Sameness()
        self._begin_anew(known)

    def settle(self, people: int) -> None:
        """Sets the thresholds for so many who can be confused."""
        if not self._fixed:
            self.thresholds = self._calibration.among(people)
            self.lookalikes = Lookalikes(self._calibration.others, people, self.thresholds)

    @property
    def _base(self) -> Thresholds | None:
        """What is recommended for embeddings as they are compared."""
        if self.recommended is None or not self._gallery.whitening.known:
            return self.recommended
        return centred(self.recommended)

    def _begin_anew(self, known: Iterable[Tracklet]) -> None:
        self._calibration.begin_anew(self._base)
        self.prepare(known)

    def _shift(self) -> None:
        """Puts similarities right by what is known of the cameras."""
        whitening = self._gallery.whitening
        if whitening.known:
            shifts = self._sameness.shifts(
                whitening.cameras,
                self._calibration.others,
                (self._base or self._calibration.thresholds).middle,
            )
            whitening.shifts = shifts.astype(np.float32).astype(np.float64)  # as the store keeps it

    def _crowding(
        self, tracklets: Sequence[Tracklet], known: Iterable[Tracklet]
    ) -> dict[TrackletKey, float]:
        """How crowded it is around tracklets, as far as those at hand tell; by as much above what
        is usual on the site as it is above what is usual among so many.
        """
        around = sorted((t for t in known if t.whitened is not None), key=lambda t: t.key)
        if self.lookalikes is None or not tracklets:
            return {}
        names = [t.assignment.identity if t.assignment else -n for n, t in enumerate(around, 1)]
        people, owners = np.unique(names, return_inverse=True)
        owner = {t.key: number for t, number in zip(around, owners.tolist(), strict=True)}
        ours, theirs = (
            np.array([t.whitened for t in some], np.float32) for some in (tracklets, around)
        )
        own = np.array([owner[t.key] for t in tracklets])
        here = replace(self.lookalikes, people=len(people))
        above = (
            here.crowding(nearest_others((ours @ theirs.T).astype(np.float64), own, owners))
            - here.usual
        )
        crowding = above + self.lookalikes.usual
        return dict(zip((t.key for t in tracklets), crowding.tolist(), strict=True))

    def _certain(self, one: Tracklet, other: Tracklet, topology: Topology) -> bool:
        """Whether the two are two people, and can be compared."""
        # Two views may overlap though nobody said so, and two boxes be on one person.
        if self.recommended is not None and not beside(one.visit, other.visit):
            return False
        if one.said_with(other) or other.key in self._links.group(one.key):
            return False
        if standing(one.visit, other.visit, topology) is not Standing.IMPOSSIBLE:
            return False
        return one.whitened is not None and other.whitened is not None

    def _learn_pairs(
        self, pairs: Sequence[tuple[Tracklet, Tracklet]], known: Iterable[Tracklet]
    ) -> None:
        if not pairs:
            return
        crowding = self._crowding(list({t.key: t for pair in pairs for t in pair}.values()), known)
        for one, other in pairs:
            assert one.whitened is not None
            assert other.whitened is not None
            alike = float(one.whitened @ other.whitened)
            if self.lookalikes is not None:
                around = (crowding[one.key] + crowding[other.key]) / 2
                alike = float(self.lookalikes.effective(alike, around))
            self._calibration.learn(alike)
        self._changed = True
