"""Which identity holds which person, and how soon a person who comes into view has one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from pipeline.evaluate.scores import Comparison
from pipeline.evaluate.truth import Floats, Ints

HELD_BOXES = 5
HELD_SHARE = 0.1
VISIT_GAP = 2.0


@dataclass(frozen=True)
class Confusion:
    """``counts`` (people, identities): the matched boxes of each person in each identity.

    An identity *holds* a person who has at least 5 and at least 10 % of its matched boxes.
    """

    people: Ints
    identities: Ints
    counts: Ints

    @staticmethod
    def of(comparison: Comparison) -> Confusion:
        people, person = np.unique(comparison.truth.ids, return_inverse=True)
        identities, identity = np.unique(comparison.predicted.ids, return_inverse=True)
        matched = comparison.matched()
        where = (person[matched.truth], identity[matched.predicted])
        shape = (len(people), len(identities))
        counts = coo_array((np.ones(len(matched), np.int64), where), shape).toarray()
        return Confusion(people, identities, counts)

    @property
    def holds(self) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """(people, identities)"""
        enough = np.maximum(HELD_BOXES, HELD_SHARE * self.counts.sum(axis=0))
        return np.asarray(self.counts >= enough)

    @property
    def merged(self) -> Ints:
        """The identities that hold two people or more."""
        return np.asarray(self.identities[self.holds.sum(axis=0) >= 2])

    @property
    def fragmentation(self) -> int:
        """How many identities more than one each the people were split into."""
        return int(np.clip(self.holds.sum(axis=1) - 1, 0, None).sum())

    def majority(self) -> dict[int, int]:
        """The person who has the most boxes of each identity that has any."""
        return {
            int(identity): int(self.people[counts.argmax()])
            for identity, counts in zip(self.identities, self.counts.T, strict=True)
            if counts.any()
        }


def identity_delays(tracklets: Comparison, times: Floats, decided_at: Floats) -> Floats:
    """Seconds from the first visible frame of each visit to the first decision on it.

    A visit is a person in one camera without a gap of more than 2 s.

    Args:
        tracklets: the comparison whose predicted ids are the numbers of tracklets, from 0.
        times: (n,) the capture time of each row of the truth.
        decided_at: (tracklets,) the event time of each decision, NaN where there is none.

    Returns:
        (visits,) seconds, NaN for a visit on which nothing was decided.
    """
    visit, starts = _visits(tracklets, times)
    majority = Confusion.of(tracklets).majority()
    matched = tracklets.matched()
    tracklet = tracklets.predicted.ids[matched.predicted]
    person = np.array([majority[number] for number in tracklet.tolist()], np.int64)
    own = person == tracklets.truth.ids[matched.truth]
    first = np.full(len(starts), np.inf)
    decisions = np.nan_to_num(decided_at, nan=np.inf)
    np.minimum.at(first, visit[matched.truth[own]], decisions[tracklet[own]])
    return np.where(np.isfinite(first), np.clip(first - starts, 0, None), np.nan)


def _visits(comparison: Comparison, times: Floats) -> tuple[Ints, Floats]:
    """The visit's number of each row of the truth (n,), and each visit's first time."""
    truth, camera = comparison.truth, comparison.truth_camera
    order = np.lexsort((times, truth.ids, camera))
    changes = (
        (np.diff(camera[order]) != 0)
        | (np.diff(truth.ids[order]) != 0)
        | (np.diff(times[order]) > VISIT_GAP)
    )
    begins = np.concatenate([[True], changes])
    visit = np.empty(len(truth), np.int64)
    visit[order] = np.cumsum(begins) - 1
    return visit, times[order][begins]
