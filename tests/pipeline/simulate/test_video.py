from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.simulate.video import Codec, VideoWriter
from tests.pipeline.simulate.truth import read_frames


def moving_picture(number: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    still = cv2.GaussianBlur(rng.integers(0, 255, (90, 160, 3)).astype(np.uint8), (0, 0), 6)
    frames = []
    for i in range(number):
        frame = still.copy()
        cv2.rectangle(frame, (10 + 4 * i, 20), (30 + 4 * i, 70), (40, 40, 220), -1)
        frames.append(frame)
    return frames


def test_the_writer_keeps_every_frame_and_its_colours(tmp_path: Path) -> None:
    frames = moving_picture(23)
    with VideoWriter(tmp_path / "a.mp4", 160, 90, 12.5) as video:
        for frame in frames:
            video.write(frame)
    read = read_frames(tmp_path / "a.mp4")
    assert len(read) == 23
    for wrote, got in zip(frames, read, strict=True):
        assert np.abs(wrote.astype(int) - got).mean() < 6
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)


def test_there_and_back_in_memory_is_what_a_reader_of_the_file_gets(tmp_path: Path) -> None:
    frames = moving_picture(12)
    codec = Codec(160, 90, 10)
    with VideoWriter(tmp_path / "a.mp4", 160, 90, 10) as video:
        for frame in frames:
            video.write(frame)
    for frame, read in zip(frames, read_frames(tmp_path / "a.mp4"), strict=True):
        assert np.abs(codec.roundtrip(frame).astype(int) - read).mean() < 1.5


def test_an_error_while_writing_is_not_hidden(tmp_path: Path) -> None:
    def break_off() -> None:
        with VideoWriter(tmp_path / "a.mp4", 160, 90, 10) as video:
            video.write(moving_picture(1)[0])
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        break_off()
