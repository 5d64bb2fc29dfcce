from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.camera.crops import Crop
from pipeline.camera.hiding import Lately
from pipeline.camera.track import PersonTracker, Point, Tracking
from pipeline.camera.tracklets import Tracklet, Tracklets
from pipeline.config import Hidden
from pipeline.privacy.crops import read_note
from pipeline.records import Detections, FloatArray, Frame, Image, Track, TrackletUpdate

FPS = 10
SCENE = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


@dataclass
class Embedder:
    """Embeds a crop as its mean colour, and counts."""

    batches: list[int] = field(default_factory=list)

    def __call__(self, crops: Sequence[Image]) -> FloatArray:
        self.batches.append(len(crops))
        means = np.array([crop.mean((0, 1)) for crop in crops], np.float32).reshape(-1, 3)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def started(embed: Embedder, per_second: float = 3) -> Tracklets:
    return Tracklets(config.Crops(per_second=per_second), "gate", "RUN", "f" * 32, embed)


def see(
    tracklets: Tracklets,
    frame: int,
    people: dict[int, tuple[float, ...]],
    hidden: FloatArray | None = None,
) -> None:
    """One frame in which these tracks are at these boxes."""
    tracks = [Track(n, np.array(box, np.float32), 0.9) for n, box in people.items()]
    boxes = np.array([track.box for track in tracks], np.float32).reshape(-1, 4)
    tracklets.see(
        Frame("gate", frame, frame / FPS, SCENE),
        Detections(boxes, np.full(len(boxes), 0.9, np.float32)),
        Tracking(tracks, {}, frozenset(people)),
        hidden,
    )


WHOLE, CUT = (100.0, 100.0, 180.0, 300.0), (0.0, 100.0, 80.0, 300.0)


def test_a_person_costs_a_few_embeddings_a_second() -> None:
    embed = Embedder()
    tracklets = started(embed, per_second=3)
    updates: list[TrackletUpdate] = []
    for second in range(10):
        for frame in range(FPS):
            see(tracklets, second * FPS + frame, {1: WHOLE})
        updates += tracklets.flush()
    updates += tracklets.flush(end=True)
    assert 28 <= sum(embed.batches) <= 32
    assert max(embed.batches) <= 4
    assert updates[-1].crops == sum(embed.batches)
    assert updates[-1].ended
    assert [update.ended for update in updates[:-1]] == [False] * 10
    assert [update.seq for update in updates] == list(range(1, 12))


def test_all_people_share_one_batch_a_flush() -> None:
    embed = Embedder()
    tracklets = started(embed)
    for frame in range(FPS):
        see(tracklets, frame, {n: (n * 90.0, 100, n * 90.0 + 60, 300) for n in range(1, 6)})
    updates = tracklets.flush()
    assert len(embed.batches) == 1
    assert embed.batches[0] >= 5
    assert {update.track for update in updates} == {1, 2, 3, 4, 5}
    assert all(update.embedding is not None for update in updates)


def test_the_embedding_is_the_mean_weighted_by_quality() -> None:
    tracklet = Tracklet(1, 3)
    tracklet.add(Point(0, 1, np.zeros(4, np.float32)))
    rng = np.random.default_rng(4)
    vectors, qualities = rng.normal(size=(20, 8)), rng.uniform(0.1, 1, 20)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    crops = [Crop(SCENE[:9, :9], float(quality), True) for quality in qualities]
    tracklet.pool(crops[:7], vectors[:7].astype(np.float32))
    tracklet.pool(crops[7:], vectors[7:].astype(np.float32))
    update = tracklet.update("gate", "RUN", "f", ended=False)
    assert update is not None
    wanted = np.zeros(8)
    for vector, quality in zip(vectors, qualities, strict=True):
        wanted += quality * vector
    wanted /= np.sqrt((wanted**2).sum())
    np.testing.assert_allclose(update.embedding, wanted, atol=1e-6)
    assert update.quality == pytest.approx(qualities.sum())
    assert update.crops == 20
    assert update.thumbnail_quality == pytest.approx(qualities.max())


def test_without_a_good_crop_the_least_bad_one_counts_after_a_second_and_at_the_end() -> None:
    embed = Embedder()
    tracklets = started(embed)
    for frame in range(5):
        see(tracklets, frame, {1: CUT})
    assert tracklets.flush()[0].embedding is None
    for frame in range(5, 15):
        see(tracklets, frame, {1: CUT})
    update = tracklets.flush()[0]
    assert update.crops == 1
    assert update.embedding is not None
    assert update.thumbnail is not None
    for frame in range(15, 35):
        see(tracklets, frame, {1: CUT})
    assert tracklets.flush()[0].crops == 1
    see(tracklets, 35, {})
    assert tracklets.flush()[0].crops <= 2


def test_a_short_tracklet_is_embedded_at_its_end() -> None:
    tracklets = started(Embedder())
    see(tracklets, 1, {1: CUT})
    see(tracklets, 2, {1: CUT})
    see(tracklets, 3, {})
    (update,) = tracklets.flush()
    assert update.ended
    assert update.crops == 1
    assert (update.start, update.end) == (0.1, 0.2)
    assert tracklets.flush() == []


def sent(tracklets: Tracklets, seconds: int) -> list[int]:
    """The seconds whose updates brought a picture of somebody who stands still."""
    found = []
    for second in range(seconds):
        for frame in range(second * FPS, second * FPS + FPS):
            see(tracklets, frame, {1: WHOLE})
        (update,) = tracklets.flush()
        if update.thumbnail is not None:
            picture = cv2.imdecode(np.frombuffer(update.thumbnail, np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            assert picture.shape == (200, 80, 3)
            found.append(second)
    return found


def test_thumbnails_come_only_when_they_get_better() -> None:
    options = config.Crops(per_second=3, keep=0)
    assert sent(Tracklets(options, "gate", "RUN", "f" * 32, Embedder()), 20) == [0]


def test_others_come_too_where_they_are_to_be_kept_but_ever_more_rarely() -> None:
    options = config.Crops(per_second=3, keep=4)
    seconds = sent(Tracklets(options, "gate", "RUN", "f" * 32, Embedder()), 120)
    gaps = np.diff(seconds)
    assert seconds[:4] == [0, 2, 4, 6]
    assert gaps[-1] > 25  # a quarter of the time so far
    assert len(seconds) < 20


def test_a_picture_has_the_quality_of_its_own_crop() -> None:
    tracklet = Tracklet(1, 3, keep=4)
    vector = np.ones((1, 1), np.float32)
    told = []
    for second, quality in enumerate((0.9, 0.5, 0.4, 0.3, 0.95, 0.94, 0.8)):
        tracklet.add(Point(second, second + 1, np.zeros(4, np.float32)))
        tracklet.pool([Crop(SCENE[:9, :9], quality, True, second)], vector)
        update = tracklet.update("gate", "RUN", "f", ended=second == 6)
        assert update is not None
        told.append((update.thumbnail is not None, update.thumbnail_quality))
    assert told == [
        (True, 0.9),  # the first
        (False, 0.9),
        (True, 0.4),  # two seconds later
        (False, 0.9),
        (True, 0.95),  # two seconds later, and it is the best, if not by much
        (False, 0.95),
        (True, 0.8),  # two seconds later; the best was sent before
    ]


def test_after_a_parting_each_sends_its_own_pictures() -> None:
    tracklet = Tracklet(1, 3, keep=4)
    for second in range(4):
        tracklet.add(Point(second, second + 1, np.zeros(4, np.float32)))
    vector = np.ones((1, 1), np.float32)
    tracklet.pool([Crop(np.full((9, 9, 3), 200, np.uint8), 0.5, True, 1)], vector)
    rest = tracklet.part(1.5, 2)
    rest.pool([Crop(np.full((9, 9, 3), 50, np.uint8), 0.5, True, 2)], vector)
    for part, brightness in ((tracklet, 200), (rest, 50)):
        update = part.update("gate", "RUN", "f", ended=True)
        assert update is not None
        assert update.thumbnail is not None
        picture = cv2.imdecode(np.frombuffer(update.thumbnail, np.uint8), cv2.IMREAD_COLOR)
        assert abs(float(picture.mean()) - brightness) < 3


def test_even_the_worst_crop_gives_a_thumbnail() -> None:
    tracklet = Tracklet(1, 3)
    tracklet.add(Point(0, 1, np.zeros(4, np.float32)))
    tracklet.pool([Crop(SCENE[:9, :9], 0.0, False)], np.ones((1, 1), np.float32))
    update = tracklet.update("gate", "RUN", "f", ended=True)
    assert update is not None
    assert update.thumbnail is not None
    assert update.thumbnail_quality == 0
    assert update.embedding is not None


def test_gaps_up_to_half_a_second_are_filled_on_a_straight_line() -> None:
    tracklets = started(Embedder())
    away = frozenset({1})
    for frame in (10, 11, 15, 24):  # gaps of 3 and of 8 frames
        for missed in range(see_from(frame), frame):
            tracklets.see(
                Frame("gate", missed, missed / FPS, SCENE),
                Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32)),
                Tracking([], {}, away),
            )
        see(tracklets, frame, {1: (10.0 * frame, 100, 10.0 * frame + 50, 250)})
    (update,) = tracklets.flush()
    assert update.path.frames.tolist() == [10, 11, 12, 13, 14, 15, 24]
    np.testing.assert_allclose(update.path.boxes[:, 0], 10.0 * update.path.frames, atol=1e-3)
    np.testing.assert_allclose(update.path.times, update.path.frames / FPS)


def see_from(frame: int) -> int:
    return {10: 10, 11: 11, 15: 12, 24: 16}[frame]


@given(st.lists(st.sets(st.integers(0, 4)), max_size=60), st.integers(1, 12))
def test_updates_tell_every_box_once_and_in_order(frames: list[set[int]], rhythm: int) -> None:
    """Whatever comes: sequence numbers without gaps, intervals that fit, nothing after the end."""
    tracker = PersonTracker(config.Tracker(lost_seconds=0.4), 0.25, FPS)
    tracklets = started(Embedder())
    updates: list[TrackletUpdate] = []
    tracked: dict[int, set[int]] = defaultdict(set)
    for frame, columns in enumerate(frames, 1):
        boxes = np.array(
            [(100 * c + 10, 50, 100 * c + 70, 230) for c in sorted(columns)], np.float32
        ).reshape(-1, 4)
        found = Detections(boxes, np.full(len(boxes), 0.9, np.float32))
        tracking = tracker.update(found, frame / FPS, frame)
        for track in tracking.tracks:
            tracked[track.track].add(frame)
        tracklets.see(Frame("gate", frame, frame / FPS, SCENE), found, tracking)
        if frame % rhythm == 0:
            updates += tracklets.flush()
    updates += tracklets.flush(end=True)
    assert len(tracklets) == 0
    by_track: dict[int, list[TrackletUpdate]] = defaultdict(list)
    for update in updates:
        by_track[update.track].append(update)
    assert set(by_track) == set(tracked)
    for track, told in by_track.items():
        assert [update.seq for update in told] == list(range(1, len(told) + 1))
        assert [update.ended for update in told] == [False] * (len(told) - 1) + [True]
        path = np.concatenate([update.path.frames for update in told])
        assert (np.diff(path) > 0).all()
        assert tracked[track] <= set(path.tolist())
        assert {update.start for update in told} == {path[0] / FPS}
        assert told[-1].end == path[-1] / FPS
        assert told[-1].embedding is not None
        assert np.linalg.norm(told[-1].embedding) == pytest.approx(1, abs=1e-5)
        assert all(a.crops <= b.crops for a, b in pairwise(told))


@pytest.mark.parametrize("what", ["faces", "persons"])
def test_what_is_hidden_in_pictures_is_not_hidden_from_the_encoder(what: Hidden) -> None:
    """The embedding is that of the clear crop; of two people in it both faces are hidden."""
    other = (120.0, 130.0, 170.0, 260.0)  # stands before, in the same crop
    updates = {}
    for privacy in (config.Privacy(), config.Privacy(blur=what)):  # type: ignore[call-arg]
        tracklets = Tracklets(config.Crops(), "gate", "RUN", "f" * 32, Embedder(), privacy=privacy)
        people = np.array([WHOLE, other], np.float32) if privacy.blur != "none" else None
        see(tracklets, 0, {1: WHOLE}, people)
        (updates[privacy.blur],) = tracklets.flush(end=True)
    clear, hidden = updates["none"], updates[what]
    np.testing.assert_array_equal(clear.embedding, hidden.embedding)
    assert clear.thumbnail is not None
    assert hidden.thumbnail is not None
    assert read_note(clear.thumbnail) is None
    note = read_note(hidden.thumbnail)
    assert note is not None
    assert note.blurred == what
    assert len(note.faces) == 2
    image = cv2.imdecode(np.frombuffer(hidden.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    rough = np.abs(np.diff(image.astype(int), axis=1)).mean((1, 2))
    assert rough[4:40].max() < 20  # the own face, as wide as the crop
    assert bool(rough[120:].min() > 20) is (what == "faces")
    face = image[34:56, 24:64]  # of the other one
    assert np.abs(np.diff(face.astype(int), axis=1)).mean() < 20


def test_everybody_lately_counts() -> None:
    lately = Lately()
    one, two, nobody = np.ones((1, 4)), np.full((2, 4), 2.0), np.empty((0, 4))
    assert len(lately.see(10.0, one)) == 1
    assert len(lately.see(10.3, two)) == 3
    assert len(lately.see(10.6, nobody)) == 3
    assert len(lately.see(10.8, nobody)) == 2
    assert len(lately.see(99.0, nobody)) == 0
