"""Clips are what the camera sent, and lie where they should in time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.config import Site, load_site
from pipeline.viewer.footage import (
    FileFootage,
    Footage,
    NothingRecordedError,
    Piece,
    RecordedFootage,
    footage_of,
)
from tests.pipeline.camera.videos import number_in, numbered, write_video
from tests.pipeline.recording.test_segments import BEGIN, write

SHOWN = 0.002  # seconds: times of a clip count in milliseconds


def packets(file: Any) -> list[bytes]:
    with av.open(file) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def pictures(found: Footage, piece: Piece) -> list[tuple[float, int]]:
    """Capture time and number of each picture of a clip, without those that only serve others."""
    shown = []
    with av.open(io.BytesIO(found.clip(piece))) as container:
        for frame in container.decode(video=0):
            moment = piece.start + float(frame.time)
            if moment < piece.end - SHOWN:
                shown.append((moment, number_in(np.asarray(frame.to_ndarray(format="bgr24")))))
    return shown


def check_times(shown: list[tuple[float, int]]) -> None:
    """Picture n was taken (n - 1) / 10 seconds after the beginning."""
    numbers = [number for _, number in shown]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    times = [BEGIN + (number - 1) / 10 for number in numbers]
    assert [time for time, _ in shown] == pytest.approx(times, abs=SHOWN)


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
def test_a_clip_of_a_file_begins_at_a_key_frame_and_copies(
    tmp_path: Path, name: str, b_frames: int
) -> None:
    film = numbered(tmp_path / name, 100, b_frames=b_frames)
    found = FileFootage(film, BEGIN)
    (piece,) = found.pieces(BEGIN + 3, BEGIN + 6)
    assert piece == pytest.approx((BEGIN + 2.4, BEGIN + 6), abs=SHOWN)
    shown = pictures(found, piece)
    check_times(shown)
    assert shown[0][1] == 25  # the key frame: every twelfth
    assert shown[-1][1] == 60
    if name == "film.mp4":
        copied = packets(io.BytesIO(found.clip(piece)))
        assert copied == packets(str(film))[24 : 24 + len(copied)]


def test_the_index_of_a_clip_stands_at_its_front(tmp_path: Path) -> None:
    found = FileFootage(numbered(tmp_path / "film.mp4", 50), BEGIN)
    data = found.clip(found.pieces(BEGIN, BEGIN + 5)[0])
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_a_file_whose_times_do_not_begin_at_zero(tmp_path: Path) -> None:
    source = numbered(tmp_path / "film.mp4", 60)
    late = tmp_path / "late.mkv"
    with av.open(str(source)) as one, av.open(str(late), "w") as other:
        copy = other.add_stream_from_template(one.streams.video[0])
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.pts += round(500 / packet.time_base)
                packet.dts += round(500 / packet.time_base)
                packet.stream = copy
                other.mux(packet)
    found = FileFootage(late, BEGIN)
    (piece,) = found.pieces(BEGIN + 1, BEGIN + 2)
    shown = pictures(found, piece)
    check_times(shown)
    assert shown[0][1] == 1


def test_long_visits_are_several_pieces_without_a_gap(tmp_path: Path) -> None:
    film = numbered(tmp_path / "film.mp4", 120)
    for found in (
        FileFootage(film, BEGIN),
        RecordedFootage(_recordings(tmp_path, film)),
    ):
        pieces = found.pieces(BEGIN - 5, BEGIN + 100, longest=4.0)
        assert len(pieces) > 2
        shown: dict[int, float] = {}
        for piece in pieces:
            one = pictures(found, piece)
            check_times(one)
            shown |= {number: time for time, number in one}
        assert sorted(shown) == list(range(1, 121))


def _recordings(folder: Path, film: Path) -> Any:
    from pipeline.store.recordings import Recordings

    write(film, folder / "recordings")
    return Recordings(folder / "recordings", "gate")


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_clip_of_segments_is_what_was_sent(tmp_path: Path, b_frames: int) -> None:
    film = numbered(tmp_path / "film.mp4", 100, b_frames=b_frames)
    found = RecordedFootage(_recordings(tmp_path, film))
    (piece,) = found.pieces(BEGIN + 3, BEGIN + 6)
    assert piece == pytest.approx((BEGIN + 2.4, BEGIN + 7.2), abs=SHOWN)
    check_times(pictures(found, piece))
    assert packets(io.BytesIO(found.clip(piece))) == packets(str(film))[24:72]


def test_a_gap_parts_two_pieces(tmp_path: Path) -> None:
    recordings = _recordings(tmp_path, numbered(tmp_path / "film.mp4", 120))
    recordings.undecided()[2].file.unlink()
    pieces = RecordedFootage(recordings).pieces(BEGIN, BEGIN + 20)
    assert [tuple(round(t - BEGIN, 1) for t in piece) for piece in pieces] == [
        (0.0, 4.8),
        (7.2, 12.0),
    ]


def test_segments_that_are_coded_otherwise_are_not_joined(tmp_path: Path) -> None:
    recordings = _recordings(tmp_path, numbered(tmp_path / "film.mp4", 100))
    grey = [np.full((48, 64, 3), 90, np.uint8)] * 24
    other = write(write_video(tmp_path / "other.mp4", grey), tmp_path / "other")[0]
    third = recordings.undecided()[2]
    other.file.replace(third.file)
    found = RecordedFootage(recordings)
    shown = pictures(found, found.pieces(BEGIN, BEGIN + 20)[0])
    check_times(shown[:48])
    check_times(shown[48:])
    assert [number for _, number in shown] == [*range(1, 49), *range(73, 101)]


def test_what_was_deleted_meanwhile_is_said(tmp_path: Path) -> None:
    recordings = _recordings(tmp_path, numbered(tmp_path / "film.mp4", 60))
    found = RecordedFootage(recordings)
    (piece,) = found.pieces(BEGIN, BEGIN + 5)
    for segment in recordings.undecided():
        recordings.delete(segment)
    with pytest.raises(NothingRecordedError, match="not recorded any more"):
        found.clip(piece)
    with pytest.raises(NothingRecordedError, match="nothing is recorded of this time"):
        found.pieces(BEGIN, BEGIN + 5)


def mpeg4(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def test_files_that_cannot_be_played_say_why(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "folder").mkdir()
    for path, said in (
        (mpeg4(tmp_path / "old.mp4"), r"old\.mp4 holds mpeg4, which browsers do not play"),
        (tmp_path / "text.mp4", r"text\.mp4 cannot be opened"),
        (tmp_path / "none.mp4", r"none\.mp4 cannot be opened: No such file"),
        (tmp_path / "folder", "folder is a folder of pictures"),
        (numbered(tmp_path / "raw.264", 20), r"raw\.264 has no times"),
        (numbered(tmp_path / "film.mp4", 20), r"film\.mp4 shows nothing of this time"),
    ):
        with pytest.raises(NothingRecordedError, match=said):
            FileFootage(path, BEGIN).pieces(BEGIN + 50, BEGIN + 60)


def site_of(folder: Path, enabled: bool) -> Site:
    (folder / "site.yaml").write_text(
        f"site: s\nrecording: {{enabled: {str(enabled).lower()}}}\n"
        "cameras: {gate: {source: 'rtsp://h/1'}, desk: {source: '0'}, hall: {source: hall.mp4}}\n"
    )
    return load_site(folder / "site.yaml")


def test_where_a_cameras_pictures_are(tmp_path: Path) -> None:
    site = site_of(tmp_path, True)
    assert isinstance(footage_of(site, "gate"), RecordedFootage)
    assert isinstance(footage_of(site, "hall"), FileFootage)
    for camera, said in (("desk", "is a device"), ("attic", "no camera 'attic'")):
        with pytest.raises(NothingRecordedError, match=said):
            footage_of(site, camera)
    with pytest.raises(NothingRecordedError, match="recording is off"):
        footage_of(site_of(tmp_path, False), "gate")
