"""How alike two visits of one person are, by the cameras that saw them."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Topology as Declared
from pipeline.matcher.gallery import Gallery
from pipeline.matcher.links import Links
from pipeline.matcher.presence import Timeline
from pipeline.matcher.repair import look_back
from pipeline.matcher.sameness import AGAIN, MOST, RECKONED, Matrix, Sameness
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.whitening import Whitening
from pipeline.records import Assignment, Decision, FloatArray, Path, TrackletKey, TrackletUpdate
from tests.pipeline.matcher.synthetic import FINGERPRINT, unit

OTHERS = NormalDist(0.0, 0.2)
GOOD = 0.95  # of two halves in a good camera
MIDDLE = 0.5


def shifts(halves: list[tuple[str, float]], *cameras: str) -> Matrix:
    sameness = Sameness()
    for camera, similarity in halves:
        sameness.learn(camera, similarity)
    return Sameness(sameness.state).shifts(cameras, OTHERS, MIDDLE)


def log_odds(similarity: float, same: float) -> float:
    """Of the same person, whose similarities have this mean, against others."""
    one, two = NormalDist(same, OTHERS.stdev).pdf(similarity), OTHERS.pdf(similarity)
    return math.log(one) - math.log(two)


@pytest.mark.parametrize("worse", [0.0, 0.02, 0.08, 0.15])
def test_the_middle_of_the_thresholds_has_the_same_odds_for_all_cameras(
    worse: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.matcher.sameness._OF_CAMERA", 0.0)  # each camera is believed
    halves = [("a", GOOD), ("b", GOOD), ("c", GOOD), ("d", GOOD - worse)] * 20
    found = shifts(halves, *"abcd")
    reckoned = OTHERS.mean + RECKONED * OTHERS.stdev
    for shift, same in (
        (found[0, 1], reckoned),
        (found[0, 3], reckoned - worse / 2),
        (found[3, 3], reckoned - worse + AGAIN * OTHERS.stdev),
        (found[0, 0], reckoned + AGAIN * OTHERS.stdev),
    ):
        expected = log_odds(MIDDLE, reckoned)
        assert log_odds(MIDDLE - shift, same) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("alike", [0.4, 0.7, 0.95])
def test_where_all_cameras_see_as_well_only_one_camera_is_another_matter(alike: float) -> None:
    """However alike halves are there, as they are less where many wear a uniform."""
    found = shifts([(camera, alike) for camera in "ab" for _ in range(50)], "a", "b")
    assert found[0, 1] == found[1, 0] == pytest.approx(0.0, abs=1e-9)
    assert found[0, 0] == found[1, 1] < -0.02


@pytest.mark.parametrize("halves", [[], [("a", GOOD)] * 50])
def test_of_cameras_of_which_nothing_is_known_no_two_are_the_same(
    halves: list[tuple[str, float]],
) -> None:
    found = shifts(halves, "", "a", "b")
    assert found[0, 0] == found[0, 1] == found[1, 2] == pytest.approx(0.0, abs=1e-9)
    assert found[1, 1] < -0.02


def test_the_old_fades() -> None:
    early, late = GOOD - 0.1, GOOD
    good = [("c", GOOD)] * 1_000
    found = shifts([("a", early)] * 100 + [("a", late)] * 400 + good, "a", "b", "c")
    always = shifts([("a", late)] * 500 + good, "a", "b", "c")
    np.testing.assert_allclose(found, always, atol=2e-3)


def test_a_camera_that_sees_badly_is_put_right_and_little_is_said_by_few() -> None:
    many = [("good", GOOD)] * 40 + [("bad", GOOD - 0.1)] * 40
    found = shifts(many, "good", "bad", "new")
    assert 0 <= found[0, 2] < found[1, 2]  # with one of which nothing is known
    assert found[0, 0] < found[0, 1] < 0.05
    few = shifts(many[:1] + many[-1:], "good", "bad", "new")
    assert abs(few[0, 1]) < found[0, 1] / 2


def test_one_camera_that_sees_too_well_is_not_what_the_others_are_held_against() -> None:
    """Where people sit on a bench, say, and each half of a tracklet is the same picture."""
    usual = [(camera, 0.8) for camera in "abcde" for _ in range(50)]
    found = shifts([*usual, *[("bench", 1.0)] * 50], *"abcde", "bench")
    assert np.abs(found[0, 1:5]).max() < 0.01
    assert found[0, 5] < -0.01


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 1)), max_size=30))
def test_it_is_bounded_and_the_same_both_ways(halves: list[tuple[str, float]]) -> None:
    found = shifts(halves, "", *"abc")
    np.testing.assert_array_equal(found, found.T)
    assert np.abs(found).max() <= MOST * OTHERS.stdev + 1e-12


class Watched:
    """A tracklet in the making, whose worker pools crops by their quality."""

    def __init__(self, seed: int, camera: str = "a") -> None:
        self.rng = np.random.default_rng(seed)
        self.sum, self.crops, self.quality = np.zeros(32), 0, 0.0
        self.camera, self.seq = camera, 0
        self.tracklet: Tracklet | None = None

    def look(self, crops: int) -> FloatArray:
        """Some crops more; the weighted sum of these alone."""
        weights = self.rng.uniform(0.2, 1.0, crops)
        looks = [unit(np.ones(32) + self.rng.normal(size=32)) for _ in range(crops)]
        added = np.sum([w * look for w, look in zip(weights, looks, strict=True)], axis=0)
        self.sum, self.crops = self.sum + added, self.crops + crops
        self.quality += float(weights.sum())
        self.say(unit(self.sum))
        return np.asarray(added, np.float32)

    def say(self, embedding: FloatArray) -> None:
        self.seq += 1
        update = TrackletUpdate(
            camera=self.camera,
            run="R",
            track=1,
            seq=self.seq,
            start=0.0,
            end=float(self.seq),
            path=Path.of([(float(self.seq), self.seq, [0.0, 0.0, 10.0, 20.0])]),
            crops=self.crops,
            quality=self.quality,
            embedding=embedding,
            fingerprint=FINGERPRINT,
            thumbnail=None,
            thumbnail_quality=0.5,
            ended=False,
        )
        if self.tracklet is None:
            self.tracklet = Tracklet.of(update)
        self.tracklet.apply(update, float(self.seq))

    @property
    def halves(self) -> tuple[FloatArray, FloatArray] | None:
        assert self.tracklet is not None
        return self.tracklet.halves


@pytest.mark.parametrize("seed", range(4))
def test_the_halves_of_a_tracklet_are_its_first_crops_and_the_others(seed: int) -> None:
    watched = Watched(seed)
    watched.look(2)
    assert watched.halves is None
    watched.look(2)
    first = unit(watched.sum)
    second = watched.look(2)
    assert watched.halves is None  # of two crops nothing is said
    second = second + watched.look(3)
    assert watched.halves is not None
    assert float(watched.halves[0] @ first) > 0.9999
    # The pooled embeddings are told at length 1, so that it is not quite the rest.
    assert float(watched.halves[1] @ unit(second)) > 0.97


def test_of_little_that_came_later_nothing_is_halved() -> None:
    watched = Watched(1)
    watched.look(4)
    for _ in range(3):
        watched.sum = watched.sum + 0.1 * unit(watched.rng.normal(size=32))
        watched.crops, watched.quality = watched.crops + 1, watched.quality + 0.1
        watched.say(unit(watched.sum))
    assert watched.halves is None


def test_nothing_is_halved_where_another_encoder_looked_at_the_whole_tracklet() -> None:
    watched = Watched(1)
    for crops in (4, 8):
        watched.crops, watched.quality = crops, float(crops)
        watched.say(unit(np.ones(32)))
    assert watched.halves is None


def test_repair_adds_for_two_parties_what_their_pictures_have_in_the_mean() -> None:
    rng = np.random.default_rng(4)
    gallery = Gallery(per_camera=4)
    gallery.whitening = Whitening.learn(
        (n, "ab"[n % 2], unit(rng.normal(size=32))) for n in range(30)
    )
    gallery.whitening.shifts = np.array([[0.0, 0.1, 0.2], [0.1, -0.3, 0.4], [0.2, 0.4, -0.5]])
    tracklets = []
    for number, camera in enumerate("aabz"):
        watched = Watched(number, camera)
        watched.look(4)
        assert watched.tracklet is not None
        watched.tracklet.key = TrackletKey(camera, "R", number)
        watched.tracklet.assignment = Assignment(
            watched.tracklet.key, number, Decision.NEW, 0.0, 0.0, 0.0
        )
        tracklets.append(watched.tracklet)
    recent = look_back(
        tracklets, gallery, {n: Timeline() for n in range(4)}, Topology(Declared()), Links()
    )
    places = [1, 1, 2, 0]
    expected = gallery.whitening.shifts[np.ix_(places, places)]
    np.testing.assert_allclose(recent.shifts, expected)
