"""The tracklets that the matcher has at hand; all others it knows only as parts of identities."""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Collection, Sequence

from pipeline.matcher.presence import CONTINUATION_SECONDS, HANDOVER_SECONDS
from pipeline.matcher.repair import MOST, REPAIR_SECONDS
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import TrackletKey, TrackletUpdate

End = tuple[float, TrackletKey]
NEVER: End = (-math.inf, TrackletKey("", "", 0))

LINGER = 5.0  # seconds for which a tracklet that ended is kept at hand
_HORIZON = 5.0  # seconds that visits are kept longer than the earliest tracklet at hand needs


class Hand:
    """Those that go on or have still to be decided, and the newest of those that are closed.

    Attributes:
        open: on which it still works.
        closed: that may still be repaired, and be taken up again by what comes late.
        dropped: when the last was over of those that were closed and are not at hand any more.
    """

    def __init__(self) -> None:
        self.open: dict[TrackletKey, Tracklet] = {}
        self.closed: dict[TrackletKey, Tracklet] = {}
        self.dropped = NEVER
        self._told = NEVER

    @property
    def all(self) -> list[Tracklet]:
        """The closed ones first."""
        return [*self.closed.values(), *self.open.values()]

    @property
    def undecided(self) -> list[Tracklet]:
        """Those that have an embedding and no identity yet."""
        return [t for t in self.open.values() if t.assignment is None and t.embedding is not None]

    def get(self, key: TrackletKey) -> Tracklet | None:
        """One of them."""
        return self.open.get(key) or self.closed.get(key)

    def take_up(self, update: TrackletUpdate) -> Tracklet:
        """The tracklet of an update, open from now on."""
        tracklet = self.open.get(update.key)
        if tracklet is None:
            tracklet = self.closed.pop(update.key, None) or Tracklet.of(update)
            self.open[update.key] = tracklet
        return tracklet

    def forget(self, keys: Collection[TrackletKey]) -> None:
        """These are stored no more."""
        for known in (self.open, self.closed):
            for key in keys:
                known.pop(key, None)

    def close(self, now: float) -> list[Tracklet]:
        """Closes what is over and done with, and keeps the bound; those that are over."""
        starts: defaultdict[str, list[float]] = defaultdict(list)
        for tracklet in self.open.values():
            if tracklet.active:
                starts[tracklet.key.camera].append(tracklet.visit.start)
        for own in starts.values():
            own.sort()
        over = [t for t in self.open.values() if _is_over(t, starts[t.key.camera], now)]
        for tracklet in over:
            del self.open[tracklet.key]
            if tracklet.assignment is not None:
                self.closed[tracklet.key] = tracklet
        for tracklet in sorted(self.closed.values(), key=by_end)[:-MOST]:
            tracklet.visit.forget_boxes()
            del self.closed[tracklet.key]
            self.dropped = max(self.dropped, by_end(tracklet))
        return over

    def tell_dropped(self) -> End | None:
        """``dropped``, where it is another than when this was last asked."""
        last, self._told = self._told, self.dropped
        return None if last == self.dropped else self.dropped

    def horizon(self, now: float) -> float:
        """What ended before this, no rule asks for, but for the last of each identity."""
        first = min((t.visit.start for t in self.all), default=now)
        return min(first, now) - _HORIZON


def by_end(tracklet: Tracklet) -> End:
    """The order in which they are over."""
    return tracklet.visit.end, tracklet.key


def _is_over(tracklet: Tracklet, starts: Sequence[float], now: float) -> bool:
    """Whether no decision can change, or need to know where it led: ``starts`` are those of the
    active tracklets of its camera, in order.
    """
    end = tracklet.visit.end
    if tracklet.active or now < end + LINGER:
        return False
    changed = max(end, tracklet.assignment.time if tracklet.assignment else end)
    if now // REPAIR_SECONDS <= changed // REPAIR_SECONDS:
        return False
    following = bisect.bisect_left(starts, end - HANDOVER_SECONDS)
    return following == len(starts) or starts[following] > end + CONTINUATION_SECONDS
