"""Tracks that pass from one person to another are parted there, and no others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline import config
from pipeline.camera.likeness import ENOUGH, Likeness, turn
from pipeline.camera.track import Tracking
from pipeline.camera.tracklets import Tracklets
from pipeline.records import Detections, FloatArray, Frame, Image, Track, TrackletUpdate

FPS = 10
TWO = Detections(
    np.array([(100, 100, 180, 300), (178, 90, 250, 290)], np.float32), np.full(2, 0.9, np.float32)
)
BOX = np.array((100.0, 100.0, 180.0, 300.0), np.float32)
RED, BLUE = (0, 0, 255), (255, 0, 0)


def embed(crops: Sequence[Image]) -> FloatArray:
    """A crop's mean colour."""
    means = np.array([crop.mean((0, 1)) for crop in crops], np.float32).reshape(-1, 3)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def scene(colour: tuple[int, int, int]) -> Image:
    noise = np.random.default_rng(0).integers(0, 30, (480, 640, 3))
    return np.clip(noise + np.array(colour), 0, 255).astype(np.uint8)


def walk(
    colours: Sequence[tuple[int, int, int]], line: float | None = 0.8, alone: bool = False
) -> list[TrackletUpdate]:
    """One track over as many frames, with somebody else near; what is published of it."""
    tracklets = Tracklets(config.Crops(), "gate", "RUN", "f" * 32, embed, line)
    pictures = {colour: scene(colour) for colour in set(colours)}
    updates: list[TrackletUpdate] = []
    for frame, colour in enumerate(colours):
        tracklets.see(
            Frame("gate", frame + 1, frame / FPS, pictures[colour]),
            Detections(BOX[None], np.array([0.9], np.float32)) if alone else TWO,
            Tracking([Track(7, BOX, 0.9)], {}, frozenset({7})),
        )
        if frame % FPS == FPS - 1:
            updates += tracklets.flush()
    return updates + tracklets.flush(end=True)


@pytest.mark.parametrize("at", [31, 34, 36, 38, 40, 42])
def test_a_track_that_turns_to_another_person_is_parted_there(at: int) -> None:
    updates = walk([RED] * at + [BLUE] * (80 - at))
    first, second = sorted({u.track for u in updates})
    frames = {n: [f for u in updates if u.track == n for f in u.path.frames] for n in (1, 2)}
    assert (first, second) == (1, 2)
    assert sorted(frames[1] + frames[2]) == list(range(1, 81))  # no frame lost, none twice
    assert abs(len(frames[1]) - at) <= 10  # at most what was published before it was sure
    assert [u.ended for u in updates if u.track == 1][-1]
    last = {u.track: u for u in updates}
    assert last[1].embedding is not None
    assert last[2].embedding is not None
    assert float(last[1].embedding @ embed([scene(RED)])[0]) > 0.99
    assert float(last[2].embedding @ embed([scene(BLUE)])[0]) > 0.99
    assert last[1].end < last[2].start
    for number in (1, 2):
        own = [u for u in updates if u.track == number]
        assert [u.seq for u in own] == list(range(1, len(own) + 1))


def test_one_odd_crop_parts_nothing_and_spoils_nothing() -> None:
    colours = [RED] * 80
    colours[40:43] = [BLUE] * 3  # one slot of a third of a second
    updates = walk(colours)
    assert {u.track for u in updates} == {1}
    assert updates[-1].embedding is not None
    assert float(updates[-1].embedding @ embed([scene(RED)])[0]) > 0.99


def test_nothing_is_parted_while_nothing_is_known_of_the_encoder() -> None:
    assert {u.track for u in walk([RED] * 30 + [BLUE] * 30, line=None)} == {1}


def test_who_met_nobody_cannot_have_been_exchanged() -> None:
    assert {u.track for u in walk([RED] * 30 + [BLUE] * 30, alone=True)} == {1}


def test_the_line_is_learned_from_both_kinds() -> None:
    likeness, rng = Likeness(), np.random.default_rng(1)
    for count in range(ENOUGH):
        assert likeness.threshold == -1.0 or count == ENOUGH
        likeness.learn_same(float(rng.normal(0.9, 0.03)))
        likeness.learn_other(float(rng.normal(0.5, 0.1)))
    assert 0.7 < likeness.threshold < 0.9


@pytest.mark.parametrize(
    ("similarities", "first"),
    [([], 0), ([0.9, 0.9], 2), ([0.9, 0.1, 0.9], 3), ([0.9, 0.1, 0.2], 1), ([0.1, 0.2], 0)],
)
def test_it_turns_where_all_that_follow_are_unlike(similarities: list[float], first: int) -> None:
    assert turn(np.array(similarities, np.float32), 0.5) == first
