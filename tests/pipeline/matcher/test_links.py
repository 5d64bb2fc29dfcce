"""What people said of pairs: what follows from it, and that the repair obeys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Topology as Declared
from pipeline.matcher.gallery import Gallery
from pipeline.matcher.links import Links
from pipeline.matcher.presence import Timeline, Visit
from pipeline.matcher.repair import find_repairs, look_back, regroup
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.records import Assignment, Decision, FloatArray, TrackletKey
from pipeline.store import Link
from tests.pipeline.matcher.synthetic import at_cosine, people

THRESHOLDS = Thresholds(accept=0.7, new=0.5, patience=4.0)
Said = Sequence[tuple[int, int, bool]]


def key(number: int) -> TrackletKey:
    return TrackletKey("a", "R", number)


def links(said: Said, whose: dict[int, int] | None = None) -> Links:
    found = Links()
    pairs = [Link(n, key(a), key(b), same) for n, (a, b, same) in enumerate(said, 1)]
    found.resume(pairs, {key(n): identity for n, identity in (whose or {}).items()})
    return found


pairs = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()).filter(lambda p: p[0] != p[1]),
    max_size=8,
)


@given(pairs, st.data())
def test_what_follows_is_what_a_search_of_all_ways_finds(said: Said, data: st.DataObject) -> None:
    """Also where what was said is taken back, or one of the tracklets forgotten."""
    known = links(said)
    if said and data.draw(st.booleans(), label="take back"):
        back = data.draw(st.integers(1, len(said)), label="which")
        known.take_back(back)
        said = [pair for n, pair in enumerate(said, 1) if n != back]
    if data.draw(st.booleans(), label="forget"):
        gone = data.draw(st.integers(0, 7), label="whom")
        known.forget([key(gone)])
        said = [pair for pair in said if gone not in pair[:2]]
    same = np.eye(8, dtype=bool)
    for a, b, together in said:
        if together:
            same[a, b] = same[b, a] = True
    for _ in range(8):
        same |= (same.astype(int) @ same.astype(int)) > 0
    apart = np.zeros((8, 8), bool)
    for a, b, together in said:
        if not together:
            apart[a, b] = apart[b, a] = True
    apart = (same.astype(int) @ apart.astype(int) @ same.astype(int)) > 0
    for a in range(8):
        assert known.group(key(a)) == {key(b) for b in np.flatnonzero(same[a])}
        assert known.apart(key(a)) == {key(b) for b in np.flatnonzero(apart[a])}
        assert (key(a) in known) == any(a in pair[:2] for pair in said)


def test_whose_they_are_is_known_of_those_alone_of_whom_something_was_said() -> None:
    known = links([(1, 2, True)], {1: 5, 2: 5})
    known.place(key(1), 6)
    known.place(key(3), 6)
    assert [known.whose(key(n)) for n in (1, 2, 3)] == [6, 5, None]
    known.take_back(1)
    assert known.whose(key(1)) is None


class Scene:
    """Decided tracklets one after the other in one camera, and what their identities have."""

    def __init__(self, embeddings: Sequence[FloatArray], identities: Sequence[int]) -> None:
        self.gallery = Gallery(per_camera=4)
        self.timelines: dict[int, Timeline] = {}
        self.tracklets = []
        for n, (embedding, identity) in enumerate(zip(embeddings, identities, strict=True)):
            tracklet = Tracklet(Visit(key(n), 10.0 * n, 10.0 * n + 4, ended=True))
            tracklet.embedding, tracklet.crops = embedding, 5
            tracklet.assignment = Assignment(
                key(n), identity, Decision.NEW, math.nan, math.nan, 10.0 * n
            )
            self.gallery.put(identity, key(n), embedding, 1.0)
            self.timelines.setdefault(identity, Timeline()).add(tracklet.visit)
            self.tracklets.append(tracklet)

    def regrouped(self, known: Links, first: int = 0) -> list[int]:
        """Identities after a repair that looks back to tracklet ``first``, in order."""
        those = self.tracklets[first:]
        recent = look_back(those, self.gallery, self.timelines, Topology(Declared()), known)
        repairs = find_repairs(those, recent, regroup(recent, THRESHOLDS), THRESHOLDS, None)
        moved = {repair.tracklet.key: repair.identity for repair in repairs}
        return [
            moved.get(t.key, t.assignment.identity if t.assignment else 0) for t in self.tracklets
        ]


def test_who_was_said_to_be_one_is_moved_together() -> None:
    """Tracklet 2 belongs to the others of identity 2; 1 looks like nobody, and is one with it."""
    rng = np.random.default_rng(1)
    ada, grace = people(2, rng)
    scene = Scene([ada, at_cosine(grace, 0.35, rng), grace, grace, grace], [1, 1, 1, 2, 2])
    alone = scene.regrouped(links([]))
    assert alone[1] not in (alone[0], alone[2])
    assert scene.regrouped(links([(1, 2, True)])) == [1, 2, 2, 2, 2]


def test_who_was_said_to_be_two_is_never_put_together() -> None:
    (ada,) = people(1, np.random.default_rng(2))
    scene = Scene([ada, ada, ada], [1, 2, 3])
    assert scene.regrouped(links([])) == [1, 1, 1]
    for said in ([(0, 1, False)], [(0, 2, False), (2, 1, True)]):
        found = scene.regrouped(links(said))
        assert found[0] != found[1]


@pytest.mark.parametrize("same", [True, False])
def test_what_was_said_of_somebody_long_ago_holds(same: bool) -> None:
    """Tracklets 0 and 1 are too old to be moved; 2 is compared with what their identities have."""
    ada, grace = people(2, np.random.default_rng(3))
    said = [(2, 0, same)]
    looks = [ada, grace, grace, grace] if same else [ada, grace, ada, ada]
    scene = Scene(looks, [1, 2, 1, 2] if same else [1, 2, 3, 1])
    assert scene.regrouped(links([]), first=2)[2] == (2 if same else 1)
    found = scene.regrouped(links(said, {0: 1, 2: 1 if same else 3}), first=2)
    assert (found[2] == 1) is same


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), pairs, st.integers(0, 3))
def test_whatever_was_said_and_looks_alike_holds(seed: int, n: int, said: Said, first: int) -> None:
    rng = np.random.default_rng(seed)
    bases = people(3, rng)
    embeddings = [at_cosine(bases[int(rng.integers(3))], 0.8, rng) for _ in range(n)]
    said = [pair for pair in said if max(pair[:2]) < n]
    known = links(said)
    said = [p for p in said if not p[2] or key(p[1]) not in known.apart(key(p[0]))]
    known = links(said)
    if any(key(a) in known.apart(key(a)) for a in range(n)):
        return  # nobody can be two
    # As the answers were carried out: who is one has one identity, who is two has two.
    labels = {key(a): a + 1 for a in range(n)}
    for a in range(n):
        labels[key(a)] = min(labels[other] for other in known.group(key(a)))
    identities = [labels[key(a)] for a in range(n)]
    known = links(said, dict(enumerate(identities)))
    found = Scene(embeddings, identities).regrouped(known, min(first, n - 1))
    for a, b in combinations(range(n), 2):
        if key(b) in known.group(key(a)):
            assert found[a] == found[b]
        if key(b) in known.apart(key(a)):
            assert found[a] != found[b]
