"""What the tracklets of the recent past teach about the ground, once repair has looked at them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.matcher.clocks import LONGEST
from pipeline.matcher.presence import (
    CLOCK_TOLERANCE,
    CONTINUATION_SECONDS,
    HANDOVER_SECONDS,
    Visit,
    gap_between,
)
from pipeline.matcher.scoring import MARGIN, Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet

_REACH = 3600.0  # seconds back to a visit before
_TOGETHER = 1.0  # seconds in view at once


def observe(
    topology: Topology, known: Sequence[Tracklet], new: Sequence[Tracklet], thresholds: Thresholds
) -> None:
    """Learns how those of ``new`` came and went, and with whom they were in view.

    Args:
        known: decided tracklets, ``new`` among them.
        new: those that were not learned from yet, in order.
    """
    ahead = topology.clocks.ahead
    by_end = sorted(known, key=lambda t: (t.visit.end - ahead.get(t.key.camera, 0.0), t.key))
    for tracklet in new:
        _learn_way(topology, by_end, tracklet, thresholds)
        _learn_doors(topology, known, tracklet)
        _learn_company(topology, known, tracklet, thresholds)
        _learn_clocks(topology, known, tracklet, thresholds)


def _learn_way(
    topology: Topology, by_end: Sequence[Tracklet], tracklet: Tracklet, thresholds: Thresholds
) -> None:
    """From where this person came, and everybody else who could have."""
    visit, own = tracklet.visit, _identity(tracklet)
    last: dict[int, Tracklet] = {}  # the last visit of each identity before this one
    for other in by_end:
        if gap_between(other.visit, visit, topology) >= -CLOCK_TOLERANCE:
            last[_identity(other)] = other
    for identity, other in last.items():
        gap = gap_between(other.visit, visit, topology)
        if gap > _REACH or not _another_visit(other, tracklet, topology):
            continue
        if identity != own:
            topology.ways.learn(other.key.camera, visit.camera, gap, own=False)
        elif _certain(tracklet, thresholds):
            topology.ways.learn(other.key.camera, visit.camera, gap, own=True)


def _learn_doors(topology: Topology, known: Sequence[Tracklet], tracklet: Tracklet) -> None:
    """Where it came and where it went, unless it was lost there and found again."""
    visit, own = tracklet.visit, _identity(tracklet)
    others = [t.visit for t in known if t.key.camera == visit.camera and _identity(t) == own]
    if visit.first_box is not None and not any(_goes_on(o, visit) for o in others):
        topology.pass_by(visit.camera, visit.first_box, visit.start, entry=True)
    if visit.last_box is not None and not any(_goes_on(visit, o) for o in others):
        topology.pass_by(visit.camera, visit.last_box, visit.end, entry=False)


def _goes_on(before: Visit, after: Visit) -> bool:
    """Whether the one is found again where the other was lost."""
    return before is not after and (
        before.end - HANDOVER_SECONDS <= after.start <= before.end + CONTINUATION_SECONDS
    )


def _learn_company(
    topology: Topology, known: Sequence[Tracklet], tracklet: Tracklet, thresholds: Thresholds
) -> None:
    """Whether one of those who were in another view at the time looked like this one."""
    if tracklet.whitened is None or not tracklet.telling:
        return
    alike: dict[str, list[float]] = {}
    for other in known:
        if other is tracklet or other.whitened is None or not other.telling:
            continue
        if min(tracklet.visit.end, other.visit.end) - _later_start(tracklet, other) >= _TOGETHER:
            similarity = float(tracklet.whitened @ other.whitened)
            alike.setdefault(other.key.camera, []).append(similarity)
    for camera, similarities in sorted(alike.items()):
        best, *rest = sorted(similarities, reverse=True)
        double = best >= thresholds.accept and not (rest and best - rest[0] < MARGIN)
        topology.company.learn(tracklet.key.camera, camera, double=double)


def _learn_clocks(
    topology: Topology, known: Sequence[Tracklet], tracklet: Tracklet, thresholds: Thresholds
) -> None:
    """How long after the visit before, of who looked like this one, by the cameras' own clocks.

    Whom the matcher takes for whom does not count: with clocks that differ that is what goes wrong.
    """
    if tracklet.whitened is None or not tracklet.telling:
        return
    before, middle = None, -math.inf
    for other in known:
        if other is tracklet or other.whitened is None or not other.telling:
            continue
        if float(tracklet.whitened @ other.whitened) >= thresholds.accept:
            then = _middle(other.visit, topology)
            if middle < then <= _middle(tracklet.visit, topology) and other.visit.ended:
                before, middle = other.visit, then
    if before is None or before.camera == tracklet.key.camera:
        return
    pair = before.camera, tracklet.key.camera
    gap = tracklet.visit.start - before.end
    if not topology.exclusive(*pair):
        later = tracklet.visit.start + tracklet.visit.end - before.start - before.end
        if abs(later) / 2 <= LONGEST:
            topology.clocks.learn_together(*pair, later / 2)
    elif abs(gap) <= LONGEST:
        topology.clocks.learn_way(*pair, gap)


def _middle(visit: Visit, topology: Topology) -> float:
    return (visit.start + visit.end) / 2 - topology.clocks.ahead.get(visit.camera, 0.0)


def _later_start(one: Tracklet, other: Tracklet) -> float:
    return max(one.visit.start, other.visit.start)


def _another_visit(before: Tracklet, after: Tracklet, topology: Topology) -> bool:
    """Whether one left and came, rather than was lost and found again, or stood in two views."""
    if before.key.camera == after.key.camera:
        return after.visit.start - before.visit.end > CONTINUATION_SECONDS
    return topology.exclusive(before.key.camera, after.key.camera)


def _certain(tracklet: Tracklet, thresholds: Thresholds) -> bool:
    """Whether its looks alone say who it is: what was decided by the ways must not teach them."""
    if tracklet.said:
        return True
    assert tracklet.assignment is not None
    similarity, runner_up = tracklet.assignment.similarity, tracklet.assignment.runner_up
    lead = math.inf if math.isnan(runner_up) else similarity - runner_up
    return similarity >= thresholds.accept and lead >= MARGIN


def _identity(tracklet: Tracklet) -> int:
    assert tracklet.assignment is not None
    return tracklet.assignment.identity
