from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.camera.track import PersonTracker, iou
from pipeline.records import Detections

NAMES = ["bytetrack", "botsort", "ocsort", "sort"]
FPS = 10


def detections(*boxes: tuple[float, float], confidence: float = 0.9) -> Detections:
    """Persons of 40 x 100 pixels at these top left corners."""
    corners = [(x, y, x + 40, y + 100) for x, y in boxes]
    return Detections(
        np.array(corners, np.float32).reshape(-1, 4), np.full(len(boxes), confidence, np.float32)
    )


def tracker(name: str, lost_seconds: float = 1.5) -> PersonTracker:
    options = config.Tracker.model_validate({"name": name, "lost_seconds": lost_seconds})
    return PersonTracker(options, confidence=0.25, fps=FPS)


@pytest.mark.parametrize("name", NAMES)
def test_two_people_keep_their_numbers_and_no_frame_of_them_is_missing(name: str) -> None:
    followed = tracker(name)
    paths: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for frame in range(1, 31):
        x = 5.0 * frame
        tracking = followed.update(detections((x, 50), (600 - x, 300)), frame / FPS, frame)
        for track, points in tracking.earlier.items():
            paths[track] += [(point.frame, float(point.box[0])) for point in points]
        for track in tracking.tracks:
            paths[track.track].append((frame, float(track.box[0])))
        assert {track.track for track in tracking.tracks} <= tracking.alive
    assert len(paths) == 2
    assert min(paths) >= 1
    for path in paths.values():
        assert [frame for frame, _ in path] == list(range(1, 31))
        steps = np.diff([x for _, x in path])
        assert np.allclose(steps, 5) or np.allclose(steps, -5)


@pytest.mark.parametrize("name", NAMES)
def test_a_lost_track_lives_as_long_as_configured(name: str) -> None:
    followed = tracker(name, lost_seconds=0.8)
    for frame in range(1, 11):
        number = followed.update(detections((50, 50)), frame / FPS, frame).alive
    assert len(number) == 1
    alive = [
        followed.update(detections(), frame / FPS, frame).alive == number for frame in range(11, 25)
    ]
    kept = alive.index(False)
    assert kept in (7, 8, 9)
    assert not any(alive[kept:])
    again = [followed.update(detections((50, 50)), f / FPS, f).alive for f in range(25, 30)][-1]
    assert len(again) == 1
    assert again != number


def test_doubtful_boxes_continue_a_track_but_begin_none() -> None:
    followed = tracker("bytetrack")
    for frame in range(1, 6):
        assert not followed.update(detections((9, 9), confidence=0.3), frame / FPS, frame).tracks
    for frame in range(6, 11):
        followed.update(detections((300, 9)), frame / FPS, frame)
    found = followed.update(detections((300, 9), confidence=0.3), 1.1, 11)
    assert len(found.tracks) == 1
    assert found.tracks[0].confidence == pytest.approx(0.3)


@given(st.lists(st.lists(st.integers(0, 9), max_size=6, unique=True), max_size=40))
def test_whatever_comes_every_box_has_one_owner(frames: list[list[int]]) -> None:
    followed = tracker("bytetrack", lost_seconds=0.5)
    owners: dict[tuple[int, float], int] = {}
    for frame, columns in enumerate(frames, 1):
        boxes = detections(*[(60.0 * column, 10.0) for column in columns])
        tracking = followed.update(boxes, frame / FPS, frame)
        owned = [(t.track, frame, float(t.box[0])) for t in tracking.tracks]
        owned += [
            (track, point.frame, float(point.box[0]))
            for track, points in tracking.earlier.items()
            for point in points
        ]
        for track, number, x in owned:
            assert (number, x) not in owners
            owners[number, x] = track
            assert (int(x) // 60) in frames[number - 1]


def test_iou_against_counting_pixels() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        a, b = (np.sort(rng.integers(0, 20, (2, 2)), 0) for _ in range(2))
        one, two = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
        one[a[0, 1] : a[1, 1], a[0, 0] : a[1, 0]] = True
        two[b[0, 1] : b[1, 1], b[0, 0] : b[1, 0]] = True
        union = (one | two).sum()
        wanted = (one & two).sum() / union if union else 0.0
        assert iou(a.ravel(), b.ravel()) == pytest.approx(wanted)
