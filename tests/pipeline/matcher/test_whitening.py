"""Comparing embeddings without what says nothing of who somebody is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.matcher.whitening import FEWEST, Whitening
from pipeline.records import FloatArray
from tests.pipeline.matcher.synthetic import unit

DIMENSION = 64
CAMERAS = ("a", "b", "c")


class Staff:
    """People of whom every other one wears the uniform, in cameras with a tint of their own."""

    def __init__(self, people: int, seed: int, uniform: float = 3.0, tint: float = 0.6) -> None:
        self.rng = np.random.default_rng(seed)
        self.tints = {name: tint * self.noise() for name in CAMERAS}
        clothes = uniform * self.noise()
        self.looks = [self.noise() + clothes * (n % 2) for n in range(people)]

    def noise(self) -> FloatArray:
        return unit(self.rng.normal(size=DIMENSION))

    def view(self, person: int, camera: str) -> FloatArray:
        return unit(self.looks[person] + self.tints[camera] + 0.25 * self.noise())

    def views(self) -> list[tuple[int, str, FloatArray]]:
        return [(n, c, self.view(n, c)) for n in range(len(self.looks)) for c in CAMERAS]


def by_the_book(views: list[tuple[int, str, FloatArray]]) -> FloatArray:
    """The embeddings (n, D), whitened in float64 with a whole covariance matrix."""
    rows = np.array([view for *_, view in views], np.float64)
    everywhere = rows.mean(axis=0)
    centred = np.empty_like(rows)
    for n, (_, camera, _) in enumerate(views):
        own = [row for row, (_, c, _) in zip(rows, views, strict=True) if c == camera]
        mean = (np.sum(own, axis=0) + 5 * everywhere) / (len(own) + 5)
        centred[n] = (rows[n] - mean) / np.linalg.norm(rows[n] - mean)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    added = (0.1 + 1 / len({n for n, *_ in views})) * values.sum()
    gains = np.ones(DIMENSION)
    gains[-16:] = np.sqrt(added / (values[-16:] + added))
    whitened = centred @ (vectors * gains) @ vectors.T
    return np.asarray(whitened / np.linalg.norm(whitened, axis=1, keepdims=True), np.float32)


def test_it_is_what_the_whole_covariance_matrix_gives() -> None:
    views = Staff(12, seed=1).views()
    found = Whitening.learn(views).apply(np.array([v for *_, v in views]), [c for _, c, _ in views])
    np.testing.assert_allclose(found, by_the_book(views), atol=1e-5)


def test_many_at_once_are_what_each_is_alone() -> None:
    """A restart compares what it finds in other company, and must decide the same."""
    views = Staff(40, seed=6).views()
    whitening = Whitening.learn(views)
    rows, cameras = np.array([view for *_, view in views]), [camera for _, camera, _ in views]
    alone = [whitening.apply(row[None], [c])[0] for row, c in zip(rows, cameras, strict=True)]
    np.testing.assert_array_equal(whitening.apply(rows, cameras), alone)


def test_people_in_uniform_are_told_apart_in_other_cameras() -> None:
    staff = Staff(20, seed=2)
    whitening = Whitening.learn(staff.views())
    raw = {c: np.array([staff.view(n, c) for n in range(20)]) for c in CAMERAS}
    compared = {c: whitening.apply(raw[c], [c] * 20) for c in CAMERAS}
    others = ~np.eye(20, dtype=bool)

    def least_gap(views: dict[str, FloatArray]) -> float:
        alike = views["a"] @ views["b"].T
        return float(np.diag(alike).min() - alike[others].max())

    assert least_gap(raw) < 0
    assert least_gap(compared) > 0.1


def test_several_views_of_somebody_in_one_camera_count_once() -> None:
    staff = Staff(10, seed=3)
    views = staff.views()
    raw, cameras = np.array([v for *_, v in views]), [c for _, c, _ in views]
    one = Whitening.learn(views).apply(raw, cameras)
    more = Whitening.learn([*views, *[views[0]] * 9]).apply(raw, cameras)
    np.testing.assert_allclose(more, one, atol=1e-5)


def test_the_prototypes_most_alike_are_those_that_it_asks_for() -> None:
    staff = Staff(30, seed=4, tint=0.2)
    views = staff.views()
    whitening, stored = Whitening.learn(views), np.array([v for *_, v in views])
    compared = whitening.apply(stored, [c for _, c, _ in views])
    queries = whitening.apply(np.array([staff.view(n, "a") for n in range(30)]), ["a"] * 30)
    nearest = np.argsort(-whitening.ask(queries, ["a"] * 30).unit @ stored.T, axis=1)[:, :8]
    best = np.argmax(queries @ compared.T, axis=1)
    assert np.mean([b in near for b, near in zip(best, nearest, strict=True)]) > 0.95


def test_embeddings_as_they_came_are_as_alike_as_whitened() -> None:
    staff = Staff(30, seed=8, tint=0.2)
    views = staff.views()
    whitening, stored = Whitening.learn(views), np.array([v for *_, v in views])
    cameras = [c for _, c, _ in views]
    cameras[-3:] = "zzz"  # of a camera that it does not know
    queries = whitening.apply(np.array([staff.view(n, "a") for n in range(30)]), ["a"] * 30)
    expected = queries.astype(np.float64) @ whitening.apply(stored, cameras).T.astype(np.float64)
    asked, measured = whitening.ask(queries, ["a"] * 30), whitening.measure(stored, cameras)
    same, _ = asked.alike(asked.rows @ stored.T.astype(np.float64), measured)
    np.testing.assert_allclose(same, expected, atol=1e-6)
    places = np.array([np.roll(np.arange(len(stored)), n)[:9] for n in range(30)])
    products = np.take_along_axis(asked.unit @ stored.T, places, axis=1)
    own, _ = asked.alike(products, measured[places])
    np.testing.assert_allclose(own, np.take_along_axis(expected, places, axis=1), atol=1e-5)
    few = asked[[3, 4]]
    alone, _ = few.alike(products[[3, 4]], measured[places[[3, 4]]])
    np.testing.assert_array_equal(alone, own[[3, 4]])


def test_who_is_just_what_a_camera_always_shows_is_like_nobody() -> None:
    staff = Staff(30, seed=9)
    whitening = Whitening.learn(staff.views())
    assert whitening._means is not None
    mean = whitening._means[whitening._places["a"]][None]
    queries = whitening.apply(np.array([staff.view(n, "a") for n in range(30)]), ["a"] * 30)
    asked = whitening.ask(queries, ["a"] * 30)
    found, _ = asked.alike(asked.unit @ mean.T, whitening.measure(mean, ["a"]))
    assert np.abs(found).max() < 0.02
    assert np.abs(queries @ whitening.apply(mean, ["a"]).T).max() < 0.02


def test_a_camera_that_is_new_has_the_mean_of_all() -> None:
    staff = Staff(10, seed=5)
    whitening = Whitening.learn(staff.views())
    unknown = whitening.apply(staff.view(0, "a")[None], ["z"])
    assert np.linalg.norm(unknown) == pytest.approx(1, abs=1e-5)
    assert whitening.apply(np.empty((0, DIMENSION), np.float32), []).shape == (0, DIMENSION)


def test_from_few_it_learns_nothing() -> None:
    views = Staff(10, seed=6).views()
    least = FEWEST * len(CAMERAS)
    few, enough = Whitening.learn(views[: least - 3], 7), Whitening.learn(views[:least], 8)
    assert (few.known, enough.known) == (False, True)
    raw = np.array([v for *_, v in views])
    cameras = [c for _, c, _ in views]
    np.testing.assert_array_equal(few.apply(raw, cameras), raw)
    np.testing.assert_array_equal(few.ask(raw, cameras).unit, raw)
    assert (few.learned_from, enough.learned_from) == (7, 8)


@pytest.mark.parametrize("count", [0, 20, 30])
def test_it_goes_on_from_its_state_to_the_bit(count: int) -> None:
    views = Staff(10, seed=7).views()
    whitening = Whitening.learn(views[:count], count)
    whitening.shifts = np.random.default_rng(1).normal(size=whitening.shifts.shape)
    whitening.shifts = whitening.shifts.astype(np.float32).astype(np.float64)
    again = Whitening.of(whitening.state)
    raw, cameras = np.array([v for *_, v in views]), [c for _, c, _ in views]
    np.testing.assert_array_equal(again.apply(raw, cameras), whitening.apply(raw, cameras))
    np.testing.assert_array_equal(again.ask(raw, cameras).unit, whitening.ask(raw, cameras).unit)
    if whitening.known:
        np.testing.assert_array_equal(again.shifts, whitening.shifts)
    assert again.learned_from == count
    assert not Whitening.of("").known


def test_a_state_from_before_there_were_shifts_is_read() -> None:
    whitening = Whitening.learn(Staff(10, seed=7).views())
    old = json.loads(whitening.state)
    del old["shifts"]
    again = Whitening.of(json.dumps(old))
    assert again.known
    assert again.shifts.tolist() == np.zeros((4, 4)).tolist()
