from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.config import Camera
from pipeline.errors import CamtrailError
from pipeline.footage import digest, first_time, where_to_go_on
from pipeline.records import CameraState, Progress

RUN = "01JGFORMER0000000000000000"


def film(path: Path, data: bytes, time: float) -> Camera:
    path.write_bytes(data)
    os.utime(path, (time, time))
    return Camera(source=str(path))


def read(camera: Camera, frame: int = 30, time: float = 1e9 + 3) -> Progress:
    return Progress(
        "gate", RUN, time, CameraState.ENDED, False, frame, frame, source=digest(camera)
    )


def test_a_digest_tells_files_apart(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    camera = film(tmp_path / "a.mp4", data, 1e9)
    assert digest(camera) == digest(film(tmp_path / "b.mp4", data, 2e9))  # a copy is the same
    assert digest(camera) != digest(film(tmp_path / "b.mp4", data[:-1], 1e9))
    assert digest(camera) != digest(film(tmp_path / "b.mp4", b"x" + data[1:], 1e9))
    assert digest(Camera(source=str(tmp_path))) == ""
    assert digest(Camera(source="rtsp://gate.example/1")) == ""
    assert digest(Camera(source=str(tmp_path / "away.mp4"))) == ""


def test_the_same_file_goes_on_and_a_live_camera_does_not(tmp_path: Path) -> None:
    camera = film(tmp_path / "a.mp4", b"one", 1e9)
    former = read(camera)
    assert where_to_go_on("gate", camera, None) is None
    assert where_to_go_on("gate", camera, former) is former
    assert where_to_go_on("gate", Camera(source="0"), former) is None
    (tmp_path / "a.mp4").unlink()
    assert where_to_go_on("gate", camera, former) is former  # the source says that it is away


def test_another_file_begins_anew_where_it_is_later(tmp_path: Path) -> None:
    former = read(film(tmp_path / "a.mp4", b"one", 1e9))
    later = film(tmp_path / "a.mp4", b"two", 1e9 + 4)
    assert where_to_go_on("gate", later, former) is None
    assert first_time(later) == 1e9 + 4
    earlier = film(tmp_path / "a.mp4", b"two", 1e9)
    with pytest.raises(CamtrailError, match=r"a\.mp4: this is not the file .* 'gate' .*01:46:40Z"):
        where_to_go_on("gate", earlier, former)
    assert where_to_go_on("gate", earlier, read(later, frame=0)) is not None  # the same file
    unread = read(film(tmp_path / "b.mp4", b"three", 1e9), frame=0)
    assert where_to_go_on("gate", earlier, unread) is None  # nothing was read of the other
