"""Where an identity has been, and so where it may be: one person is not in two places.

A tracklet that has not ended may go on, and nobody knows until when. So a candidate that comes
after an unfinished tracklet of an identity has to wait before it may join it.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from pipeline.matcher.topology import Topology
from pipeline.matcher.ways import Support
from pipeline.records import FloatArray, Path, TrackletKey

CLOCK_TOLERANCE = 0.25  # seconds by which two clocks that are put right may still disagree
TRANSIT_TOLERANCE = 0.5  # seconds by which a declared shortest way may be undercut
HANDOVER_SECONDS = 0.25  # for which two tracks of one camera may both hold one person ...
HANDOVER_OFFSET = 0.5  # ... in the same place: heights of the box by which they may differ
CONTINUATION_SECONDS = 2.5  # a track that breaks at an occlusion begins again within these
_VELOCITY_SECONDS = 0.5  # of the path's end, over which the velocity is taken


class Standing(IntEnum):
    """Whether a tracklet may belong to an identity; the greater rules."""

    POSSIBLE = 0
    WAIT = 1  # as soon as something has ended
    IMPOSSIBLE = 2


@dataclass(slots=True, eq=False)
class Visit:
    """When a tracklet was in view, and while it is recent, where in the picture.

    ``velocity`` is that of the middle of its last box, pixels a second.
    """

    key: TrackletKey
    start: float
    end: float
    ended: bool = False
    first_box: FloatArray | None = None
    last_box: FloatArray | None = None
    velocity: FloatArray | None = None
    camera: str = field(init=False)

    def __post_init__(self) -> None:
        self.camera = self.key.camera

    def follow(self, path: Path) -> None:
        """Goes on along the new part of its path."""
        if not len(path):
            return
        if self.first_box is None:
            self.first_box = path.boxes[0]
        self.last_box = path.boxes[-1]
        first = int(np.searchsorted(path.times, path.times[-1] - _VELOCITY_SECONDS))
        seconds = float(path.times[-1] - path.times[first])
        moved = _middle(path.boxes[-1]) - _middle(path.boxes[first])
        self.velocity = moved / np.float32(seconds) if seconds > 0 else np.zeros(2, np.float32)

    def forget_boxes(self) -> None:
        """Once nothing can continue it any more."""
        self.first_box = self.last_box = self.velocity = None


def standing(a: Visit, b: Visit, topology: Topology) -> Standing:
    """Whether two tracklets may be one person, by their times alone."""
    if a.camera != b.camera and not topology.exclusive(a.camera, b.camera):
        return Standing.POSSIBLE
    first, second = in_order(a, b, topology)
    if a.camera == b.camera:
        apart = second.start > first.end or _hands_over(first, second)
    else:
        apart = gap_between(first, second, topology) >= -CLOCK_TOLERANCE
    if not apart:
        return Standing.IMPOSSIBLE
    return Standing.POSSIBLE if first.ended else Standing.WAIT


def beside(a: Visit, b: Visit) -> bool:
    """Whether two tracklets are in one picture in boxes that do not touch."""
    if a.camera != b.camera or a.last_box is None or b.last_box is None:
        return False
    (left, top, right, bottom), (x1, y1, x2, y2) = a.last_box.tolist(), b.last_box.tolist()
    return bool(min(right, x2) <= max(left, x1) or min(bottom, y2) <= max(top, y1))


def compatible(a: Visit, b: Visit, topology: Topology) -> bool:
    """Whether two tracklets may be one person now, by their times and the shortest way."""
    possible = standing(a, b, topology) is Standing.POSSIBLE
    return possible and not _too_fast(*in_order(a, b, topology), topology)


def follow(a: Visit, b: Visit, topology: Topology) -> Fit:
    """How the later of two tracklets would follow the other, were there nothing between."""
    first, second = in_order(a, b, topology)
    return Fit(
        standing(a, b, topology),
        gap=max(0.0, gap_between(first, second, topology)),
        window=_window(first, second, topology),
        offset=_offset(first, second),
        support=_support(first, second, topology),
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """How a tracklet fits between the others of an identity.

    ``gap`` is the time from the visit before (NaN: none), ``window`` the declared transit of the
    two, ``offset`` how far the tracklet begins from where that visit led, in heights of the box
    (NaN where it does not follow at once in one camera), ``support`` what was learned of coming
    that way after ``gap``.
    """

    standing: Standing
    gap: float = math.nan
    window: tuple[float, float] | None = None
    offset: float = math.nan
    support: Support = Support()  # noqa: RUF009 - frozen


class Timeline:
    """The visits of one identity, as far back as rules can reach."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []  # by start

    def __len__(self) -> int:
        return len(self._visits)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self._visits)

    @property
    def last_seen(self) -> float:
        """Capture time at which the person was last in view."""
        return max((visit.end for visit in self._visits), default=-math.inf)

    @property
    def over(self) -> bool:
        """Whether the person is in view no more."""
        return all(visit.ended for visit in self._visits)

    def add(self, visit: Visit) -> None:
        """Takes a visit in."""
        bisect.insort(self._visits, visit, key=lambda v: (v.start, v.key))

    def remove(self, visit: Visit) -> None:
        """Takes a visit out."""
        self._visits.remove(visit)

    def prune(self, horizon: float) -> None:
        """Drops what ended before ``horizon``, but for the last of it."""
        old = [v for v in self._visits if v.ended and v.end < horizon]
        if len(old) > 1:
            last = max(old, key=lambda v: (v.end, v.key))
            kept = (v for v in self._visits if v is last or not (v.ended and v.end < horizon))
            self._visits = list(kept)

    def standing(self, visit: Visit, topology: Topology) -> Standing:
        """Whether ``visit`` may be added, by the times alone."""
        others = (v for v in self._visits if v is not visit)
        return max((standing(visit, v, topology) for v in others), default=Standing.POSSIBLE)

    def fit(self, visit: Visit, topology: Topology) -> Fit:
        """Whether and how ``visit`` may be added."""
        where = Standing.POSSIBLE
        before = after = None
        least = math.inf  # seconds since the visit before
        for other in self._visits:
            where = max(where, standing(visit, other, topology))
            if where is Standing.IMPOSSIBLE:
                return _IMPOSSIBLE
            gap = gap_between(other, visit, topology)
            if gap >= -CLOCK_TOLERANCE:
                before, least = (other, gap) if gap <= least else (before, least)
            elif gap_between(visit, other, topology) >= -CLOCK_TOLERANCE:
                after = after or other
        if (before and _too_fast(before, visit, topology)) or (
            after and _too_fast(visit, after, topology)
        ):
            return _IMPOSSIBLE
        if before is None:
            return Fit(where)
        return Fit(
            where,
            gap=max(0.0, least),
            window=_window(before, visit, topology),
            offset=_offset(before, visit),
            support=_support(before, visit, topology),
        )


_IMPOSSIBLE = Fit(Standing.IMPOSSIBLE)


def gap_between(before: Visit, after: Visit, topology: Topology) -> float:
    """Seconds from the end of the one to the start of the other, by one clock."""
    return after.start - before.end - topology.clocks.between(before.camera, after.camera)


def in_order(a: Visit, b: Visit, topology: Topology) -> tuple[Visit, Visit]:
    """The two by their start, by one clock."""
    ahead = topology.clocks.between(a.camera, b.camera)
    return (a, b) if (a.start, a.end) <= (b.start - ahead, b.end - ahead) else (b, a)


def _window(origin: Visit, visit: Visit, topology: Topology) -> tuple[float, float] | None:
    """The declared transit between two tracklets; there is none where the views overlap."""
    if origin.camera == visit.camera or not topology.exclusive(origin.camera, visit.camera):
        return None
    return topology.transit(origin.camera, visit.camera)


def _support(origin: Visit, visit: Visit, topology: Topology) -> Support:
    """What was learned of the way between two tracklets; nothing where it may be no way at all."""
    gap = gap_between(origin, visit, topology)
    if origin.camera == visit.camera:
        another = gap > CONTINUATION_SECONDS
    else:
        another = topology.exclusive(origin.camera, visit.camera)
    return topology.support(origin.camera, visit.camera, gap) if another else Support()


def _too_fast(origin: Visit, visit: Visit, topology: Topology) -> bool:
    window = _window(origin, visit, topology)
    if window is None:
        return False
    return gap_between(origin, visit, topology) < window[0] - TRANSIT_TOLERANCE


def _hands_over(first: Visit, second: Visit) -> bool:
    """Whether the tracker went from one track to the other on the same person, and held both for
    an instant: that is one place.
    """
    together = first.end - second.start
    return (
        0 <= together <= HANDOVER_SECONDS + 1e-6
        and second.end > first.end
        and _offset(first, second) <= HANDOVER_OFFSET
    )


def _offset(before: Visit, visit: Visit) -> float:
    """Distance of the first box from where the path before leads, in heights of the boxes."""
    gap = visit.start - before.end
    if before.camera != visit.camera or gap > CONTINUATION_SECONDS:
        return math.nan
    if before.last_box is None or before.velocity is None or visit.first_box is None:
        return math.nan
    expected = _middle(before.last_box) + before.velocity * np.float32(gap)
    height = (_height(before.last_box) + _height(visit.first_box)) / 2
    return float(np.linalg.norm(_middle(visit.first_box) - expected)) / max(height, 1.0)


def _middle(box: FloatArray) -> FloatArray:
    return (box[:2] + box[2:]) * np.float32(0.5)


def _height(box: FloatArray) -> float:
    return float(box[3] - box[1])
