"""Groups the tracklets of the recent past anew, all at once.

Decisions are taken early, on a few crops and one after the other; later more is known of everybody.
Constrained average linkage and then single moves give the groups. What is together now is favoured,
so that nothing moves to and fro for nothing, and a group keeps the name that most of it has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from pipeline.matcher.gallery import Gallery
from pipeline.matcher.links import Links
from pipeline.matcher.lookalikes import Lookalikes, nearest_others
from pipeline.matcher.presence import (
    CLOCK_TOLERANCE,
    CONTINUATION_SECONDS,
    Timeline,
    Visit,
    compatible,
)
from pipeline.matcher.scoring import Thresholds, confidence_of_repair, support, support_by_way
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.ways import bins
from pipeline.records import FloatArray, TrackletKey

REPAIR_SECONDS = 10.0  # of event time from one repair to the next
MOST = 128  # tracklets that are looked back on, the newest
_MOVES = 20  # rounds of single moves, at most; three are the rule

# In units of what lies between the thresholds `accept` and `new`:
HOLD = 0.2  # by so much anything new must be better than what is
SUPPORT = 0.8  # a pair that time and place speak for, by as much (see `scoring.support`)

COMMON = 0.6  # share of the variance of similarities that all pairs of two people have in common

BoolMatrix = npt.NDArray[np.bool_]
BoolVector = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recent:
    """n parties to be grouped: tracklets (those of which a person said that they are one are one
    party), and older parts of identities.

    Attributes:
        similarity: (n, n) means of the cosine similarities of their embeddings.
        shifts: (n, n) means of what is added to these for the cameras.
        support: (n, n) in [0, 2], how much time and place speak for them.
        apart: (n, n), who cannot be together.
        sizes: (n,) embeddings behind each.
        labels: (n,) the identities that they have now.
        fixed: (n,) older parts, and what belongs to them, which keep theirs.
        seconds: (n,) for how long each was seen.
        party: (t,) that each of the tracklets is in.
    """

    similarity: Matrix
    shifts: Matrix
    support: Matrix
    apart: BoolMatrix
    sizes: Vector
    labels: Labels
    fixed: BoolVector
    seconds: Vector
    party: Labels


@dataclass(frozen=True, slots=True)
class Repair:
    """A tracklet that belongs to another identity than it has.

    Attributes:
        identity: the right one; below 0 a new one, which all with this number share.
        similarity: mean of those to the others there; NaN where nobody else is.
        shift: mean of what is added to it for the cameras.
        support: mean of what time and place add to it.
        confidence: how likely it is right, in [0, 1].
    """

    tracklet: Tracklet
    identity: int
    similarity: float
    shift: float
    support: float
    confidence: float

    @property
    def former(self) -> int:
        """The identity that it has."""
        assert self.tracklet.assignment is not None
        return self.tracklet.assignment.identity


def find_repairs(
    tracklets: Sequence[Tracklet],
    recent: Recent,
    groups: Labels,
    thresholds: Thresholds,
    lookalikes: Lookalikes | None,
) -> list[Repair]:
    """Who has to move so that the identities are as in ``groups``."""
    repairs = []
    backing = _backing(recent, thresholds)
    evidence = weighed(recent, lookalikes).similarity + backing
    for tracklet, row in zip(tracklets, recent.party.tolist(), strict=True):
        assert tracklet.assignment is not None
        former, identity = tracklet.assignment.identity, int(groups[row])
        if identity != former:
            others = groups == identity
            others[row] = False
            own, left = (
                _score(evidence[row, some], recent.sizes[some], recent.sizes[row], thresholds)
                for some in (others, groups == former)
            )
            repair = Repair(
                tracklet,
                identity,
                similarity=_mean(recent.similarity[row, others]),
                shift=_mean(recent.shifts[row, others]),
                support=_mean(backing[row, others]),
                confidence=confidence_of_repair(own, left, thresholds),
            )
            repairs.append(repair)
    return repairs


def _mean(values: Vector) -> float:
    return round(float(values.mean()), 5) if len(values) else math.nan


def _score(evidence: Vector, sizes: Vector, own: float, thresholds: Thresholds) -> float | None:
    """The score of one who is as likely one of a group as a party is, by the evidence for each
    member (m,) and their sizes (m,); None where there are none.
    """
    if not len(sizes):
        return None
    above = np.average(evidence, weights=sizes) - _needed(sizes.sum(), own, thresholds)
    return float(thresholds.middle + above)


def weighed(recent: Recent, lookalikes: Lookalikes | None) -> Recent:
    """With similarities as they count: by the cameras, and less where many look alike."""
    alike = recent.similarity + recent.shifts
    if lookalikes is not None:
        _, owners = np.unique(recent.labels, return_inverse=True)
        around = lookalikes.crowding(nearest_others(recent.similarity, owners, owners))
        alike = lookalikes.effective(alike, (around[:, None] + around) / 2)
    return replace(recent, similarity=alike)


def regroup(recent: Recent, thresholds: Thresholds) -> Labels:
    """The identity of each party (n,); numbers below 0 are groups that need a new one."""
    band = thresholds.accept - thresholds.new
    evidence = recent.similarity + _backing(recent, thresholds)
    apart = recent.apart | (recent.fixed[:, None] & recent.fixed)
    np.fill_diagonal(apart, False)
    groups = _Grouping(evidence, apart, recent, thresholds).groups()
    worth = np.outer(recent.sizes, recent.sizes) * (evidence - thresholds.new)
    worth[apart] = -np.inf
    np.fill_diagonal(worth, 0.0)
    return _name(_where_better(groups, recent.labels, worth, HOLD * band), recent)


def _backing(recent: Recent, thresholds: Thresholds) -> Matrix:
    """(n, n) what time and place add to similarities."""
    return (thresholds.accept - thresholds.new) * SUPPORT * recent.support


def _where_better(groups: Labels, labels: Labels, worth: Matrix, margin: float) -> Labels:
    """The new groups where they are worth more than those that exist, by the margin and as sums
    over their pairs; elsewhere what exists. What is worth more each time cannot come again.
    """
    result = labels.copy()
    _, members = np.unique(groups, return_inverse=True)
    after, before = groups[:, None] == groups, labels[:, None] == labels
    count, parts = connected_components(after | before, directed=False)
    for part in range(count):
        inside = np.outer(parts == part, parts == part)
        if worth[inside & after].sum() > worth[inside & before].sum() + 2 * margin:
            result[parts == part] = labels.max() + 1 + members[parts == part]
    return result


def _needed(a: npt.ArrayLike, b: npt.ArrayLike, thresholds: Thresholds) -> Vector:
    """The mean evidence that groups of these sizes need."""
    pairs: Vector = np.maximum(np.multiply(a, b), 1)
    spread = np.sqrt(COMMON + (1 - COMMON) / pairs)
    return np.asarray(thresholds.new + (thresholds.middle - thresholds.new) * spread, np.float64)


class _Grouping:
    """Average linkage, then moves of single tracklets.

    The mean of many similarities varies less than one alone, so it need not be as high: two single
    tracklets need the middle between ``accept`` and ``new``, large groups less. Not much less: two
    people who are dressed alike are so in all their pictures (`COMMON`).
    """

    def __init__(
        self, evidence: Matrix, apart: BoolMatrix, recent: Recent, thresholds: Thresholds
    ) -> None:
        self._evidence, self._apart = evidence, apart
        self._sizes: Vector = recent.sizes
        self._free = np.flatnonzero(~recent.fixed)
        self._thresholds = thresholds
        self._margin = HOLD * (thresholds.accept - thresholds.new)

    def groups(self) -> Labels:
        """(n,) numbers of the groups, each below n."""
        groups = self._link()
        for _ in range(_MOVES):
            before = groups.copy()
            for one in self._free.tolist():
                groups[one] = self._best_group(one, groups)
            if (groups == before).all():
                break
        return groups

    def _needed(self, a: npt.ArrayLike, b: npt.ArrayLike) -> Vector:
        return _needed(a, b, self._thresholds)

    def _link(self) -> Labels:
        between = np.where(self._apart, -np.inf, self._evidence)
        np.fill_diagonal(between, -np.inf)
        weights: Vector = self._sizes.copy()
        groups: Labels = np.arange(len(self._sizes), dtype=np.int64)
        gain: Matrix = between - self._needed(weights[:, None], weights[None])
        while len(between):
            a, b = divmod(int(gain.argmax()), len(gain))
            if gain[a, b] < 0:
                break
            share = weights[a] / (weights[a] + weights[b])
            mean = share * between[a] + (1 - share) * between[b]
            between[a], between[:, a] = mean, mean
            between[b], between[:, b] = -np.inf, -np.inf
            between[a, a] = -np.inf
            weights[a] += weights[b]
            gain[a] = gain[:, a] = between[a] - self._needed(weights[a, None], weights)
            gain[b] = gain[:, b] = -np.inf
            groups[groups == groups[b]] = groups[a]
        return groups

    def _best_group(self, one: int, groups: Labels) -> int:
        """Where one is best off, all others staying where they are."""
        count, own = len(groups), int(groups[one])
        weights = self._sizes.copy()
        weights[one] = 0.0
        total = np.bincount(groups, weights, count).astype(np.float64)
        sums = np.bincount(groups, weights * self._evidence[one], count)
        mean = sums.astype(np.float64) / np.maximum(total, 1e-9)
        gain = mean - self._needed(total, self._sizes[one, None])
        blocked = np.bincount(groups, weights * self._apart[one], count) > 0
        gain[(total == 0) | blocked] = -np.inf
        alone = bool(total[own] == 0)
        best = int(gain.argmax())
        if gain[best] > max(0.0, -np.inf if alone else float(gain[own])) + self._margin:
            return best
        if not alone and gain[own] < -self._margin:
            return int(np.setdiff1d(np.arange(count), groups)[0])
        return own


def _name(groups: Labels, recent: Recent) -> Labels:
    """Each group takes an identity that it has, each identity goes to one group.

    The group that has more of the seconds of an identity gets it; of several identities that it
    has whole, a group keeps the oldest.
    """
    numbers, members = np.unique(groups, return_inverse=True)
    names, owners = np.unique(recent.labels, return_inverse=True)
    shared = np.zeros((len(numbers), len(names)))
    np.add.at(shared, (members, owners), recent.seconds + 1e-3)
    shared /= shared.sum(axis=0)
    shared *= 1 - 1e-6 * np.arange(len(names))
    shared[members[recent.fixed], owners[recent.fixed]] += len(names)
    result = -1 - np.arange(len(numbers))
    for row, column in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
        if shared[row, column] > 0:
            result[row] = names[column]
    return np.asarray(result[members], np.int64)


def look_back(
    tracklets: Sequence[Tracklet],
    gallery: Gallery,
    timelines: Mapping[int, Timeline],
    topology: Topology,
    links: Links,
) -> Recent:
    """Decided tracklets with embeddings, and what else their identities have."""
    labels, embeddings, cameras = [], [], []
    parties: list[list[Visit]] = []
    party, older = _parties(tracklets, links)
    for tracklet, number in zip(tracklets, party, strict=True):
        assert tracklet.assignment is not None
        assert tracklet.embedding is not None
        if number == len(parties):
            parties.append([])
            labels.append(tracklet.assignment.identity)
        parties[number].append(tracklet.visit)
        embeddings.append(tracklet.embedding)
        cameras.append(tracklet.key.camera)
    owners, keys = list(party), {t.key for t in tracklets}
    for identity in sorted(set(labels)):
        visits = [visit for visit in timelines[identity] if visit.key not in keys]
        prototypes = gallery.prototypes(identity)
        if visits and prototypes:  # none where another encoder found no crop of it
            own = {key: value for key, value in prototypes.items() if key not in keys}
            own = own or prototypes  # all the best were recent
            number = older.setdefault(identity, len(parties))
            if number == len(parties):
                parties.append([])
                labels.append(identity)
            parties[number] += visits
            embeddings += own.values()
            cameras += [key.camera for key in own]
            owners += [number] * len(own)
    compared = gallery.whitening.apply(np.array(embeddings, np.float32), cameras)
    similarity, sizes = _means(compared, owners, len(parties))
    shares = np.zeros((len(parties), len(gallery.whitening.cameras)))
    np.add.at(shares, (owners, gallery.whitening.places(cameras)), 1 / sizes[owners])
    apart, backing = _relations(parties, topology)
    for one, other in _said_apart(tracklets, party, older, links):
        apart[one, other] = apart[other, one] = True
    return Recent(
        similarity=similarity,
        shifts=shares @ gallery.whitening.shifts @ shares.T,
        support=backing,
        apart=apart,
        sizes=sizes,
        labels=np.array(labels, np.int64),
        fixed=np.isin(np.arange(len(parties)), list(older.values())),
        seconds=np.array([sum(v.end - v.start for v in visits) for visits in parties]),
        party=np.array(party, np.int64),
    )


def _parties(tracklets: Sequence[Tracklet], links: Links) -> tuple[list[int], dict[int, int]]:
    """The party of each tracklet, numbered in their order; and by identity the party that what is
    older of it belongs to, where a person said that a tracklet is one with some of that.
    """
    keys = {t.key for t in tracklets}
    numbers: dict[TrackletKey | int, int] = {}
    older: dict[int, int] = {}
    party = []
    for tracklet in tracklets:
        assert tracklet.assignment is not None
        group = links.group(tracklet.key)
        stays = not group <= keys
        mark = tracklet.assignment.identity if stays else min(group)
        party.append(numbers.setdefault(mark, len(numbers)))
        if stays:
            older[tracklet.assignment.identity] = party[-1]
    return party, older


def _said_apart(
    tracklets: Sequence[Tracklet], party: Sequence[int], older: Mapping[int, int], links: Links
) -> list[tuple[int, int]]:
    """The parties of which a person said that they are not one."""
    rows = {t.key: number for t, number in zip(tracklets, party, strict=True)}
    pairs = [(rows[t.key], key) for t in tracklets for key in links.apart(t.key)]
    found = [(one, rows.get(key, older.get(links.whose(key) or 0))) for one, key in pairs]
    return [(one, other) for one, other in found if other is not None and other != one]


def _relations(parties: Sequence[Sequence[Visit]], topology: Topology) -> tuple[BoolMatrix, Matrix]:
    """(n, n) which parties cannot be together, and how much time and place speak for it where they
    can. Most pairs are settled by their times, all at once.
    """
    visits = [visit for party in parties for visit in party]
    owners = np.repeat(np.arange(len(parties)), [len(party) for party in parties])
    apart = np.zeros((len(parties), len(parties)), np.bool_)
    backing = np.zeros((len(parties), len(parties)))
    near, by_time = _near(visits, topology), _by_time_alone(visits, topology)
    at_once = by_time & ~_one_after_the_other(visits, topology)
    rows, columns = np.nonzero(near & at_once)
    apart[owners[rows], owners[columns]] = True
    asked = np.tril(near & (owners[:, None] != owners) & ~at_once, -1)
    rows, columns = np.nonzero(asked & ~by_time)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        a, b, i, j = visits[row], visits[column], owners[row], owners[column]
        if not compatible(a, b, topology):
            apart[i, j] = apart[j, i] = True
        elif not apart[i, j]:
            backing[i, j] = backing[j, i] = max(backing[i, j], support(a, b, topology))
    if topology.ways.known:  # else nothing speaks for the others
        rows, columns = np.nonzero(asked & by_time)
        backed = _by_ways(visits, rows, columns, topology)
        np.maximum.at(backing, (owners[rows], owners[columns]), backed)
        np.maximum.at(backing, (owners[columns], owners[rows]), backed)
    np.fill_diagonal(apart, False)
    return apart, backing


def _near(visits: Sequence[Visit], topology: Topology) -> BoolMatrix:
    """Where not so much time lies between two that neither says anything of the other."""
    reach = max(topology.longest, CONTINUATION_SECONDS)
    starts, ends, ended = _times(visits, topology)
    far = ended[:, None] & (starts - ends[:, None] > reach)
    return np.asarray(~(far | far.T))


def _by_time_alone(visits: Sequence[Visit], topology: Topology) -> BoolMatrix:
    """Where whether a pair can be together is only whether one has ended before the other begins:
    where two cameras see neither the same ground nor have a declared way between them, and in one
    camera where a track cannot have gone on.
    """
    names, cameras = np.unique([visit.camera for visit in visits], return_inverse=True)
    unrelated = [
        [
            a != b
            and topology.exclusive(a, b)
            and topology.transit(a, b) is None
            and topology.transit(b, a) is None
            for b in names.tolist()
        ]
        for a in names.tolist()
    ]
    starts, ends, _ = _times(visits, topology)
    later = starts[:, None] - ends > CONTINUATION_SECONDS
    same = cameras[:, None] == cameras
    apart = np.array(unrelated, np.bool_)[cameras[:, None], cameras]
    return np.asarray(apart | (same & (later | later.T)))


def _by_ways(visits: Sequence[Visit], rows: Labels, columns: Labels, topology: Topology) -> Vector:
    """What `support` gives of pairs (n,) of which only the ways that were learned can speak: it is
    the same for all who took as long, in bins, between two cameras.
    """
    starts, ends, _ = _times(visits, topology)
    names, cameras = np.unique([visit.camera for visit in visits], return_inverse=True)
    turned = (starts[rows] > starts[columns]) | (
        (starts[rows] == starts[columns]) & (ends[rows] > ends[columns])
    )
    first, second = np.where(turned, columns, rows), np.where(turned, rows, columns)
    gaps = starts[second] - ends[first]
    ways = np.stack([cameras[first], cameras[second], bins(gaps)])
    kinds, one, kind = np.unique(ways, axis=1, return_index=True, return_inverse=True)
    said = [
        support_by_way(topology.support(names[a], names[b], gap))
        for a, b, gap in zip(*kinds[:2].tolist(), gaps[one].tolist(), strict=True)
    ]
    return np.array(said, np.float64)[kind]


def _one_after_the_other(visits: Sequence[Visit], topology: Topology) -> BoolMatrix:
    """Where the first of two has ended before the second began: see `presence.standing`."""
    starts, ends, ended = _times(visits, topology)
    earlier = (starts[:, None] < starts) | ((starts[:, None] == starts) & (ends[:, None] <= ends))
    after = earlier & ended[:, None] & (starts >= ends[:, None] - CLOCK_TOLERANCE)
    return np.asarray(after | after.T)


def _times(visits: Sequence[Visit], topology: Topology) -> tuple[Vector, Vector, BoolVector]:
    """Starts and ends by one clock, and which have ended."""
    ahead = np.array([topology.clocks.ahead.get(visit.camera, 0.0) for visit in visits])
    starts = np.array([visit.start for visit in visits]) - ahead
    ends = np.array([visit.end for visit in visits]) - ahead
    return starts, ends, np.array([visit.ended for visit in visits])


def _means(embeddings: FloatArray, owners: Sequence[int], count: int) -> tuple[Matrix, Vector]:
    """Mean similarities (n, n) of the parties that own the embeddings, and their sizes (n,)."""
    matrix = embeddings.astype(np.float64)
    sizes = np.bincount(owners, minlength=count).astype(np.float64)
    sums = np.zeros((count, matrix.shape[1]))
    np.add.at(sums, np.asarray(owners), matrix)
    centres = sums / np.maximum(sizes, 1)[:, None]
    return centres @ centres.T, sizes
