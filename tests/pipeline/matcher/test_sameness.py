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
from pipeline.matcher.sameness import AGAIN, ELSEWHERE, MOST, RECKONED, Matrix, Sameness
from pipeline.matcher.topology import Topology
from pipeline.matcher.tracklets import Tracklet
from pipeline.matcher.whitening import Whitening
from pipeline.records import Assignment, Decision, FloatArray, Path, TrackletKey, TrackletUpdate
from tests.pipeline.matcher.synthetic import FINGERPRINT, unit

OTHERS = NormalDist(0.0, 0.2)
AS_RECKONED = OTHERS.mean + (RECKONED + ELSEWHERE) * OTHERS.stdev  # of two halves
MIDDLE = 0.5


def shifts(halves: list[tuple[str, float]], *cameras: str, recommended: bool = True) -> Matrix:
    sameness = Sameness()
    for camera, similarity in halves:
        sameness.learn(camera, similarity)
    return Sameness(sameness.state).shifts(cameras, OTHERS, MIDDLE, recommended=recommended)


def log_odds(similarity: float, same: float) -> float:
    """Of the same person, whose similarities have this mean, against others."""
    one, two = NormalDist(same, OTHERS.stdev).pdf(similarity), OTHERS.pdf(similarity)
    return math.log(one) - math.log(two)


@pytest.mark.parametrize("nearer", [-0.08, 0.05, 0.1])
def test_the_middle_of_the_thresholds_has_the_same_odds_for_all_cameras(nearer: float) -> None:
    halves = [(camera, AS_RECKONED - nearer) for camera in "ab" for _ in range(2_000)]
    found = shifts(halves, "a", "b")
    reckoned = OTHERS.mean + RECKONED * OTHERS.stdev
    expected = log_odds(MIDDLE, reckoned)
    for shift, same in (
        (found[0, 1], reckoned - nearer),
        (found[1, 1], reckoned - nearer + (ELSEWHERE + AGAIN) * OTHERS.stdev),
    ):
        assert log_odds(MIDDLE - shift, same) == pytest.approx(expected, rel=0.05)


def test_where_people_are_as_alike_as_is_reckoned_only_one_camera_is_another_matter() -> None:
    found = shifts([(camera, AS_RECKONED) for camera in "ab" for _ in range(50)], "a", "b")
    assert found[0, 1] == found[1, 0] == pytest.approx(0.0, abs=1e-9)
    assert found[0, 0] == found[1, 1] < -0.02


def test_of_cameras_of_which_nothing_is_known_no_two_are_the_same() -> None:
    found = shifts([("a", AS_RECKONED)] * 50, "", "a")
    assert found[0, 0] == found[0, 1] == pytest.approx(0.0, abs=1e-9)


def test_the_old_fades() -> None:
    early, late = AS_RECKONED - 0.1, AS_RECKONED
    found = shifts([("a", early)] * 100 + [("a", late)] * 400, "a", "b")
    always = shifts([("a", late)] * 500, "a", "b")
    np.testing.assert_allclose(found, always, atol=2e-3)


def test_a_camera_that_sees_badly_is_put_right_and_little_is_said_by_few() -> None:
    many = [("good", AS_RECKONED)] * 40 + [("bad", AS_RECKONED - 0.1)] * 40
    found = shifts(many, "good", "bad", "new")
    assert 0 <= found[0, 2] < found[1, 2]  # with one of which nothing is known
    assert found[0, 0] < found[0, 1] < 0.05
    few = shifts(many[:1] + many[-1:], "good", "bad", "new")
    assert abs(few[0, 1]) < found[0, 1] / 2


def test_where_thresholds_know_of_others_alone_cameras_are_compared_with_each_other() -> None:
    halves = [("a", 0.8), ("b", 0.8)] * 20
    np.testing.assert_allclose(shifts(halves, "a", "b", recommended=False), 0.0, atol=1e-9)
    found = shifts([*halves, *[("b", 0.6)] * 20], "a", "b", recommended=False)
    assert found[0, 1] == pytest.approx(0.0, abs=1e-9)
    assert found[0, 0] < -0.005
    assert found[1, 1] > 0.005


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1, 1)), max_size=30),
    st.booleans(),
)
def test_it_is_bounded_and_the_same_both_ways(
    halves: list[tuple[str, float]], recommended: bool
) -> None:
    found = shifts(halves, "", *"abc", recommended=recommended)
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
