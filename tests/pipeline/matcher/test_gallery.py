"""The gallery against a naive one in float64."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.matcher.gallery import Gallery
from pipeline.matcher.whitening import Whitening
from pipeline.records import FloatArray, TrackletKey
from tests.pipeline.matcher.synthetic import at_cosine, unit

D = 16


def key(track: int, camera: str = "a") -> TrackletKey:
    return TrackletKey(camera, "R", track)


def vector(seed: int) -> FloatArray:
    return unit(np.random.default_rng(seed).standard_normal(D))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "remove", "forget"]),
            st.integers(0, 5),
            st.integers(0, 12),
            st.integers(0, 50),
        ),
        max_size=40,
    )
)
def test_it_finds_what_a_plain_search_finds(steps: list[tuple[str, int, int, int]]) -> None:
    gallery = Gallery(per_camera=100)
    plain: dict[TrackletKey, tuple[int, FloatArray]] = {}
    for step, identity, track, seed in steps:
        if step == "put":
            owner = plain[key(track)][0] if key(track) in plain else identity
            gallery.put(owner, key(track), vector(seed), 1.0)
            plain[key(track)] = (owner, vector(seed))
        elif step == "remove":
            gallery.remove(key(track))
            plain.pop(key(track), None)
        else:
            gallery.forget(identity)
            plain = {k: v for k, v in plain.items() if v[0] != identity}
    assert len(gallery) == len(plain)
    query = vector(99)
    similarities: dict[int, list[float]] = {}
    for owner, embedding in plain.values():
        value = float(np.dot(embedding.astype(np.float64), query.astype(np.float64)))
        similarities.setdefault(owner, []).append(value)
    ((found, more, _),) = gallery.search(gallery.whitening.ask(query[None], ["b"]), 1000, -1.0)
    assert sorted(found) == sorted(similarities)
    nearest = [max(similarities[i]) for i in found]
    np.testing.assert_allclose(nearest, sorted(nearest, reverse=True), atol=1e-5)
    assert not more
    for owner, values in similarities.items():
        best = sorted(values)[-2:]
        expected = 0.75 * best[-1] + 0.25 * best[0]
        np.testing.assert_allclose(
            gallery.similarities(gallery.whitening.ask(query[None], ["b"]), [0], [owner]),
            [[expected, 0.0]],
            atol=1e-5,
        )


def test_the_floor_and_the_count_bound_the_search() -> None:
    gallery = Gallery(4)
    rng = np.random.default_rng(0)
    query = vector(0)
    for n in range(20):
        gallery.put(n, key(n), at_cosine(query, 1 - n / 20, rng), 1.0)
    assert gallery.search(gallery.whitening.ask(query[None], ["b"]), 32, 0.775)[0][:2] == (
        [0, 1, 2, 3, 4],
        False,
    )
    assert gallery.search(gallery.whitening.ask(query[None], ["b"]), 3, 0.775)[0][:2] == (
        [0, 1, 2],
        True,
    )
    assert gallery.search(gallery.whitening.ask(query[None], ["b"]), 8, 0.775)[0][:2] == (
        [0, 1, 2, 3, 4],
        False,
    )


def test_nobody_is_found_in_an_empty_gallery() -> None:
    gallery = Gallery(4)
    assert gallery.search(gallery.whitening.ask(vector(1)[None], ["b"]), 8, 0.0) == [
        ([], False, {})
    ]
    assert gallery.similarities(
        gallery.whitening.ask(vector(1)[None], ["b"]), [0], [1]
    ).tolist() == [[-1.0, 0.0]]
    gallery.put(1, key(1), vector(1), 1.0)
    gallery.remove(key(1))
    assert gallery.search(gallery.whitening.ask(vector(1)[None], ["b"]), 8, 0.0) == [
        ([], False, {})
    ]


def test_of_the_two_nearest_the_one_of_less_quality_goes() -> None:
    rng = np.random.default_rng(1)
    gallery = Gallery(per_camera=2)
    front, back = vector(1), vector(2)
    assert gallery.put(7, key(1), front, 3.0) is None
    assert gallery.put(7, key(2), back, 1.0) is None
    assert gallery.put(7, key(9, "b"), front, 1.0) is None  # counted by camera
    assert gallery.put(7, key(3), at_cosine(front, 0.95, rng), 2.0) == key(3)
    assert gallery.put(7, key(4), at_cosine(front, 0.95, rng), 4.0) == key(1)
    assert gallery.put(7, key(4), front, 5.0) is None  # renewed
    assert len(gallery) == 3
    assert key(1) not in gallery


def whitening(seed: int) -> Whitening:
    views = ((n, "ab"[n % 2], vector(1000 * seed + n)) for n in range(30))
    return Whitening.learn(views)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "remove", "give", "forget", "whiten", "sort"]),
            st.integers(0, 5),
            st.integers(0, 12),
            st.integers(0, 50),
        ),
        max_size=40,
    )
)
def test_what_it_measured_is_what_it_would_measure_anew(
    steps: list[tuple[str, int, int, int]],
) -> None:
    gallery = Gallery(per_camera=100, exact_up_to=8)
    gallery.whitening = whitening(1)
    plain: dict[TrackletKey, tuple[int, FloatArray]] = {}
    query = vector(999)[None]
    for step, identity, track, seed in steps:
        look = vector(seed).astype(np.float16).astype(np.float32)  # as lists hold it
        if step == "put":
            owner = plain[key(track)][0] if key(track) in plain else identity
            gallery.put(owner, key(track), look, 1.0)
            plain[key(track)] = (owner, look)
        elif step == "remove":
            gallery.remove(key(track))
            plain.pop(key(track), None)
        elif step == "give" and key(track) in plain:
            gallery.give(key(track), identity)
            plain[key(track)] = (identity, plain[key(track)][1])
        elif step == "forget":
            gallery.forget(identity)
            plain = {k: (i, e) for k, (i, e) in plain.items() if i != identity}
        elif step == "whiten":
            gallery.whitening = whitening(seed)
        elif step == "sort":
            gallery.sort_anew(-1.0)
        anew = Gallery(per_camera=100)
        anew.whitening = gallery.whitening
        anew.restore((i, k, e, 1.0) for k, (i, e) in plain.items())
        for own in range(6):
            np.testing.assert_allclose(
                gallery.similarities(gallery.whitening.ask(query, ["b"]), [0], [own]),
                anew.similarities(anew.whitening.ask(query, ["b"]), [0], [own]),
                atol=1e-6,
            )
        [one], [other] = (
            gallery.search(gallery.whitening.ask(query, ["b"]), 32, -1.0),
            anew.search(anew.whitening.ask(query, ["b"]), 32, -1.0),
        )
        assert set(one.identities) == set(other.identities)


def test_what_is_added_for_the_cameras_decides_with_the_similarity() -> None:
    gallery = Gallery(per_camera=100)
    gallery.whitening = whitening(1)
    cameras = ("", "a", "b")
    rng = np.random.default_rng(3)
    table = rng.uniform(-0.3, 0.3, (3, 3))
    gallery.whitening.shifts = table + table.T
    owners: dict[int, list[tuple[str, FloatArray]]] = {}
    for track in range(40):
        camera, owner = ("a", "b", "new")[track % 3], track % 7
        gallery.put(owner, key(track, camera), vector(track), 1.0)
        owners.setdefault(owner, []).append((camera, vector(track)))
    query = gallery.whitening.apply(vector(77)[None], ["b"])
    asked = gallery.whitening.ask(query, ["b"])
    scores = {}
    for owner, views in owners.items():
        parts = []
        for camera, view in views:
            (own,) = gallery.whitening.apply(view[None], [camera])
            place = cameras.index(camera) if camera in cameras else 0
            parts.append((float(query[0] @ own), float(gallery.whitening.shifts[2, place])))
        best, second = sorted(parts, key=sum, reverse=True)[:2]
        expected = [0.75 * one + 0.25 * other for one, other in zip(best, second, strict=True)]
        found = gallery.similarities(asked, [0], [owner])
        np.testing.assert_allclose(found, [expected], atol=1e-5)
        [near] = gallery.search(asked, 1000, -2.0)
        assert abs(near.nearest[owner] - max(alike for alike, _ in parts)) < 1e-5
        scores[owner] = sum(best)
    assert near.identities == sorted(owners, key=lambda i: -scores[i])


def test_asking_takes_no_memory_where_nothing_is_whitened() -> None:
    gallery = Gallery(per_camera=4)
    for track in range(1000):
        gallery.put(track // 2, key(track), vector(track), 1.0)
    tracemalloc.start()
    try:
        for identity in range(500):
            gallery.similarities(gallery.whitening.ask(vector(1)[None], ["b"]), [0], [identity])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1000 * D * 4 / 4
