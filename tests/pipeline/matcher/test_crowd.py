"""A hundred people at once, and people who look exactly alike."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np

from pipeline.records import TrackletKey
from tests.pipeline.matcher.shifted import followed
from tests.pipeline.matcher.synthetic import Script, Walk, engine, people

CROWD = 100


def test_a_hundred_people_at_once_are_told_apart_and_found_again() -> None:
    rng = np.random.default_rng(41)
    looks = people(CROWD, rng)
    arrivals = rng.uniform(0, 1, CROWD)
    first, second = (
        [
            Walk(n, camera, at + wait, at + wait + 4, look, x=50.0 * n, noise=0.1)
            for n, (look, wait) in enumerate(zip(looks, arrivals.tolist(), strict=True))
        ]
        for camera, at in (("a", 1.0), ("b", 12.0))
    )
    scripts = [Script("a", first, 22), Script("b", second, 22)]
    whose = followed(engine("ab"), scripts, {})
    truth = {key: person for script in scripts for key, person in script.truth.items()}
    assert len(whose) == 2 * CROWD
    for camera in "ab":
        assert len({i for key, i in whose.items() if key.camera == camera}) == CROWD
    owner = {i: truth[key] for key, i in whose.items() if key.camera == "a"}
    found = [owner.get(i) == truth[key] for key, i in whose.items() if key.camera == "b"]
    assert sum(found) >= 0.95 * CROWD


def test_identical_uniforms_mix_nobody_who_is_in_two_places_and_nobody_else() -> None:
    """Who is who among them cannot be known; that they are several, and who is not one of them,
    can.
    """
    rng = np.random.default_rng(43)
    (uniform,), others = people(1, rng), people(4, rng)
    looks = [uniform] * 8 + others
    walks = {
        camera: [
            Walk(n, camera, at + 0.3 * n, at + 0.3 * n + 6, look, x=90.0 * n, noise=0.2)
            for at in (start, start + 40)
            for n, look in enumerate(looks)
        ]
        for camera, start in (("a", 1.0), ("b", 20.0))
    }
    scripts = [
        Script(c, sorted(own, key=lambda w: w.start), 75, run=f"01{c}") for c, own in walks.items()
    ]
    whose = followed(engine("ab"), scripts, {})
    truth = {key: person for script in scripts for key, person in script.truth.items()}
    spans = {
        TrackletKey(s.camera, f"01{s.camera}", n): (walk.start, walk.end)
        for s in scripts
        for n, walk in enumerate(s.walks, 1)
    }
    assert whose.keys() == spans.keys()
    for one, other in combinations(spans, 2):
        together = spans[one][0] < spans[other][1] and spans[other][0] < spans[one][1]
        assert not (together and whose[one] == whose[other])
    assert len({whose[key] for key in whose if truth[key] < 8}) >= 8
    for person in range(8, 12):
        own = Counter(whose[key] for key in whose if truth[key] == person)
        assert len(own) == 1
        (identity,) = own
        assert {truth[key] for key in whose if whose[key] == identity} == {person}
