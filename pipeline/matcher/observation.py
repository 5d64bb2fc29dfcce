"""What the tracklets of the recent past teach about the ground, once repair has looked at them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.matcher.presence import CLOCK_TOLERANCE, CONTINUATION_SECONDS
from pipeline.matcher.scoring import MARGIN, Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet

_REACH = 3600.0  # seconds back to a visit before


def observe(
    topology: Topology, known: Sequence[Tracklet], new: Sequence[Tracklet], thresholds: Thresholds
) -> None:
    """Learns how those of ``new`` came.

    Args:
        known: decided tracklets, ``new`` among them.
        new: those that were not learned from yet, in order.
    """
    by_end = sorted(known, key=lambda t: (t.visit.end, t.key))
    for tracklet in new:
        _learn_way(topology, by_end, tracklet, thresholds)


def _learn_way(
    topology: Topology, by_end: Sequence[Tracklet], tracklet: Tracklet, thresholds: Thresholds
) -> None:
    """From where this person came, and everybody else who could have."""
    visit, own = tracklet.visit, _identity(tracklet)
    last: dict[int, Tracklet] = {}  # the last visit of each identity before this one
    for other in by_end:
        if other.visit.end > visit.start + CLOCK_TOLERANCE:
            break
        last[_identity(other)] = other
    for identity, other in last.items():
        gap = visit.start - other.visit.end
        if gap > _REACH or not _another_visit(other, tracklet, topology):
            continue
        if identity != own:
            topology.ways.learn(other.key.camera, visit.camera, gap, own=False)
        elif _certain(tracklet, thresholds):
            topology.ways.learn(other.key.camera, visit.camera, gap, own=True)


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
