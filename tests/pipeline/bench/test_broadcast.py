"""The films of the bench: what OpenCV sees of them, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.bench.broadcast import Broadcast
from pipeline.simulate.video import VideoWriter

FPS = 20.0
FRAMES = 30


@pytest.fixture
def broadcast(tmp_path: Path) -> Iterator[Broadcast]:
    with VideoWriter(tmp_path / "gate.mp4", 160, 160, FPS) as video:
        for number in range(FRAMES):
            video.write(np.full((160, 160, 3), 8 * number, np.uint8))
    with Broadcast({"gate": tmp_path / "gate.mp4"}, FPS) as broadcast:
        yield broadcast


def test_the_first_picture_waits_and_then_all_come_in_their_time(broadcast: Broadcast) -> None:
    capture = cv2.VideoCapture(broadcast.url("gate"), cv2.CAP_FFMPEG)
    assert capture.isOpened()
    for _ in range(3):  # all the same, however long one looks
        ok, image = capture.read()
        assert ok
        assert float(image.mean()) < 4
    first = broadcast.begin()
    seen: dict[int, float] = {}
    while True:
        ok, image = capture.read()
        if not ok:
            break
        seen.setdefault(round(float(image.mean()) / 8), time.time())
    capture.release()
    assert sorted(seen) == list(range(FRAMES))
    # None comes before its time; how much later the last one comes says how busy the machine is.
    assert all(moment >= first + number / FPS - 0.01 for number, moment in seen.items() if number)


def test_whoever_leaves_disturbs_nobody(broadcast: Broadcast) -> None:
    one, two = (cv2.VideoCapture(broadcast.url("gate"), cv2.CAP_FFMPEG) for _ in range(2))
    assert one.read()[0]
    one.release()
    broadcast.begin()
    last = None
    while (answer := two.read())[0]:
        last = answer[1]
    assert last is not None
    assert round(float(last.mean()) / 8) == FRAMES - 1


def test_no_such_film(broadcast: Broadcast) -> None:
    assert not cv2.VideoCapture(broadcast.url("cellar"), cv2.CAP_FFMPEG).isOpened()


def test_closing_ends_a_film_that_never_began(broadcast: Broadcast) -> None:
    capture = cv2.VideoCapture(broadcast.url("gate"), cv2.CAP_FFMPEG)
    assert capture.read()[0]
    threading.Timer(0.2, broadcast.close).start()
    while capture.read()[0]:
        pass
    capture.release()
