"""What the tracklets of the recent past teach about the ground, once repair has looked at them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.matcher.clocks import LONGEST
from pipeline.matcher.index import Rows
from pipeline.matcher.presence import (
    CLOCK_TOLERANCE,
    CONTINUATION_SECONDS,
    HANDOVER_SECONDS,
    Visit,
)
from pipeline.matcher.scoring import MARGIN, Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import FloatArray

BoolVector = npt.NDArray[np.bool_]

_REACH = 3600.0  # seconds back to a visit before
_TOGETHER = 1.0  # seconds in view at once


class _Known:
    """Decided tracklets side by side, as many are looked at for each one.

    Attributes:
        tracklets: in the order of the rows of all else.
        places: row of each tracklet, by key.
        identities, starts, ends, middles: (n,); the middles by one clock; identities counted from
            0 on.
        has_ended: (n,), whether it left.
        by_end: (n,) rows in the order of their ends, by one clock.
        rows: (m,) of those that can be compared.
        whitened: (m, D), theirs.
        cameras: rows (k,) by camera.
    """

    def __init__(self, tracklets: Sequence[Tracklet], topology: Topology) -> None:
        self.tracklets = tracklets
        self.places = {t.key: row for row, t in enumerate(tracklets)}
        _, self.identities = np.unique([_identity(t) for t in tracklets], return_inverse=True)
        self.starts = np.array([t.visit.start for t in tracklets])
        self.ends = np.array([t.visit.end for t in tracklets])
        self.has_ended = np.array([t.visit.ended for t in tracklets])
        names = np.array([t.key.camera for t in tracklets])
        self.cameras = {name: np.flatnonzero(names == name) for name in sorted(set(names.tolist()))}
        ahead = topology.clocks.ahead
        self._ahead = np.array([ahead.get(name, 0.0) for name in names.tolist()])
        self.middles = (self.starts + self.ends) / 2 - self._ahead
        can = [t.whitened if t.telling else None for t in tracklets]
        self.rows = np.array([row for row, own in enumerate(can) if own is not None], np.int64)
        self.whitened = np.array([own for own in can if own is not None], np.float32)
        settled = (self.ends - self._ahead).tolist()
        order = sorted(range(len(tracklets)), key=lambda row: (settled[row], tracklets[row].key))
        self.by_end = np.array(order)

    def gaps(self, row: int) -> FloatArray:
        """Seconds from the end of each (n,) to the start of this one, by one clock: what
        `gap_between` gives.
        """
        return np.asarray(self.starts[row] - self.ends - (self._ahead[row] - self._ahead))

    def similarities(self, rows: Sequence[int]) -> dict[int, FloatArray]:
        """Of each of the rows that can be compared with all that can (m,)."""
        known = {row: place for place, row in enumerate(self.rows.tolist())}
        can = [row for row in rows if row in known]
        own = self.whitened[[known[row] for row in can]]
        return dict(zip(can, own @ self.whitened.T, strict=True)) if can else {}

    def elsewhere(self, camera: str, topology: Topology) -> BoolVector:
        """(n,) whether each was where nobody is who is in view of this camera."""
        apart = np.empty(len(self.tracklets), np.bool_)
        for origin, rows in self.cameras.items():
            apart[rows] = origin != camera and topology.exclusive(origin, camera)
        return apart


def observe(
    topology: Topology, known: Sequence[Tracklet], new: Sequence[Tracklet], thresholds: Thresholds
) -> None:
    """Learns how those of ``new`` came and went, and with whom they were in view.

    Args:
        known: decided tracklets, ``new`` among them.
        new: those that were not learned from yet, in order.
    """
    if not new:
        return
    those = _Known(known, topology)
    rows = [those.places[tracklet.key] for tracklet in new]
    alike = those.similarities(rows)
    cameras = {tracklet.key.camera for tracklet in new}
    apart = {camera: those.elsewhere(camera, topology) for camera in cameras}
    for row in rows:
        rest = those.rows != row
        others = those.rows[rest] if row in alike else np.empty(0, np.int64)
        similarities = alike[row][rest] if row in alike else np.empty(0, np.float32)
        _learn_way(topology, those, row, thresholds, apart[those.tracklets[row].key.camera])
        _learn_doors(topology, those, row)
        _learn_company(topology, those, row, thresholds, similarities, others)
        _learn_clocks(topology, those, row, others[similarities >= thresholds.accept])


def _learn_way(
    topology: Topology, known: _Known, row: int, thresholds: Thresholds, elsewhere: BoolVector
) -> None:
    """From where this person came, and everybody else who could have."""
    tracklet, gaps = known.tracklets[row], known.gaps(row)
    before = known.by_end[gaps[known.by_end] >= -CLOCK_TOLERANCE]
    # The last visit of each identity before this one: of several the last is what stays.
    last = np.full(known.identities.max() + 1, -1)
    last[known.identities[before]] = before
    those = last[last >= 0]
    # One left and this one came, rather than was lost and found again, or stood in two views.
    here = np.zeros(len(gaps), np.bool_)
    here[known.cameras[tracklet.key.camera]] = True
    another = np.where(here, gaps > CONTINUATION_SECONDS, elsewhere)
    those = those[(gaps[those] <= _REACH) & another[those]]
    certain = _certain(tracklet, thresholds)
    for place, gap in zip(those.tolist(), gaps[those].tolist(), strict=True):
        own = bool(known.identities[place] == known.identities[row])
        if not own or certain:
            origin = known.tracklets[place].key.camera
            topology.ways.learn(origin, tracklet.key.camera, gap, own=own)


def _learn_doors(topology: Topology, known: _Known, row: int) -> None:
    """Where it came and where it went, unless it was lost there and found again."""
    visit = known.tracklets[row].visit
    here = known.cameras[visit.camera]
    same = here[known.identities[here] == known.identities[row]]
    others = [known.tracklets[place].visit for place in same.tolist()]
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
    topology: Topology,
    known: _Known,
    row: int,
    thresholds: Thresholds,
    similarities: FloatArray,
    others: Rows,
) -> None:
    """Whether one of those who were in another view at the time looked like this one."""
    ended = np.minimum(known.ends[row], known.ends[others])
    together = ended - np.maximum(known.starts[row], known.starts[others]) >= _TOGETHER
    alike: dict[str, list[float]] = {}
    for place, similarity in zip(others[together], similarities[together].tolist(), strict=True):
        alike.setdefault(known.tracklets[place].key.camera, []).append(similarity)
    for camera, those in sorted(alike.items()):
        best, *rest = sorted(those, reverse=True)
        double = best >= thresholds.accept and not (rest and best - rest[0] < MARGIN)
        topology.company.learn(known.tracklets[row].key.camera, camera, double=double)


def _learn_clocks(topology: Topology, known: _Known, row: int, alike: Rows) -> None:
    """How long after the visit before, of who looked like this one, by the cameras' own clocks.

    Whom the matcher takes for whom does not count: with clocks that differ that is what goes wrong.
    """
    past = alike[(known.middles[alike] <= known.middles[row]) & known.has_ended[alike]]
    if not len(past):
        return
    before = known.tracklets[int(past[np.argmax(known.middles[past])])].visit
    visit = known.tracklets[row].visit
    if before.camera == visit.camera:
        return
    pair, gap = (before.camera, visit.camera), visit.start - before.end
    if not topology.exclusive(*pair):
        later = visit.start + visit.end - before.start - before.end
        if abs(later) / 2 <= LONGEST:
            topology.clocks.learn_together(*pair, later / 2)
    elif abs(gap) <= LONGEST:
        topology.clocks.learn_way(*pair, gap)


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
