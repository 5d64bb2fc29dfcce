from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.camera.files import AHEAD, Rate
from pipeline.camera.source import Source, open_source
from pipeline.config import Camera
from pipeline.errors import CamtrailError
from pipeline.records import Frame
from pipeline.telemetry.metrics import REGISTRY
from tests.pipeline.camera.videos import number_in, numbered, picture, write_video
from tests.unprivileged import public_folder, unprivileged

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def read_all(source: Source) -> list[Frame]:
    frames = []
    while not source.ended:
        frame = source.read(5)
        if frame is not None:
            frames.append(frame)
    source.close()
    return frames


def opened(path: Path, after: int = 0, fps: float | None = None) -> Source:
    return open_source(Camera(source=str(path), start=START, fps=fps), "gate", after)


@pytest.mark.parametrize("name", ["plain.mp4", "clip.mkv", "raw.264"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_gives_every_frame_with_its_number_and_time(
    tmp_path: Path, name: str, b_frames: int
) -> None:
    source = opened(numbered(tmp_path / name, 37, b_frames=b_frames))
    frames = read_all(source)
    assert [frame.index for frame in frames] == list(range(1, 38))
    assert [number_in(frame.image) for frame in frames] == list(range(1, 38))
    if name != "raw.264":  # a raw stream has no times, only perhaps a rate
        assert source.fps == 10
    expected = START.timestamp() + np.arange(37) / source.fps
    np.testing.assert_allclose([frame.time for frame in frames], expected, atol=2e-3)
    assert {frame.camera for frame in frames} == {"gate"}


def test_keeps_presentation_times_of_a_variable_rate(tmp_path: Path) -> None:
    ticks = [0, 10, 20, 55, 60, 100, 250]
    path = write_video(tmp_path / "vfr.mkv", map(picture, range(7)), ticks=ticks)
    times = [frame.time - START.timestamp() for frame in read_all(opened(path))]
    np.testing.assert_allclose(times, np.array(ticks) / 100, atol=2e-3)


@pytest.mark.parametrize("after", [1, 11, 12, 13, 36, 37])
def test_goes_on_behind_a_frame_exactly(tmp_path: Path, after: int) -> None:
    path = numbered(tmp_path / "clip.mp4", 37, b_frames=2)
    whole, rest = read_all(opened(path)), read_all(opened(path, after))
    assert [number_in(frame.image) for frame in rest] == list(range(after + 1, 38))
    assert [(f.index, f.time) for f in rest] == [(f.index, f.time) for f in whole[after:]]


@pytest.mark.parametrize("cap", [10.0, 5.0, 4.0, 2.5, 30.0])
def test_caps_the_rate_alike_from_the_start_and_resumed(tmp_path: Path, cap: float) -> None:
    path = numbered(tmp_path / "clip.mp4", 60)
    whole = [frame.index for frame in read_all(opened(path, fps=cap))]
    assert len(whole) == min(60, 6 * cap)
    rest = [frame.index for frame in read_all(opened(path, after=23, fps=cap))]
    assert rest == [index for index in whole if index > 23]


@given(
    st.lists(st.floats(1e-3, 0.5), min_size=2, max_size=200),
    st.floats(0.5, 60),
)
def test_rate_takes_at_most_one_frame_an_interval(gaps: list[float], fps: float) -> None:
    rate = Rate(fps)
    times = np.cumsum(gaps)
    taken = [float(t) for t in times if rate(float(t))]
    assert taken[0] == times[0]
    assert len(taken) <= (times[-1] - times[0]) * fps + 2
    assert all(later - earlier < 2 / fps + 0.5 for earlier, later in pairwise(taken))


def test_without_start_the_time_of_modification_counts(tmp_path: Path) -> None:
    path = numbered(tmp_path / "clip.mp4", 3)
    first = open_source(Camera(source=str(path)), "gate").read(5)
    assert first is not None
    assert first.time == path.stat().st_mtime


def test_folder_of_pictures(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), picture(number))
    (tmp_path / "004.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not meant")
    source = opened(tmp_path)
    frames = read_all(source)
    assert [number_in(frame.image) for frame in frames] == [1, 2, 3]
    np.testing.assert_allclose(
        [f.time - START.timestamp() for f in frames], [0, 0.1, 0.2], atol=1e-6
    )
    assert "1 of 4 frames could not be decoded" in source.message
    assert [f.time - START.timestamp() for f in read_all(opened(tmp_path, fps=2.0))] == [0, 0.5, 1]


def test_looks_ahead_only_so_far(tmp_path: Path) -> None:
    before = threading.active_count()
    source = opened(numbered(tmp_path / "clip.mp4", 200))
    first = source.read(5)
    assert first is not None
    assert first.index == 1
    assert source._queue.maxsize == AHEAD  # type: ignore[attr-defined]
    source.close()
    assert threading.active_count() == before


def test_a_file_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mp4", 100, movflags="faststart").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    source = opened(tmp_path / "cut.mp4")
    frames = read_all(source)
    assert 40 < len(frames) < 90
    assert [number_in(f.image) for f in frames[:-2]] == list(range(1, len(frames) - 1))
    lost = f"{100 - len(frames)} of 100 frames could not be decoded"
    assert lost in source.message
    where = f"the first of them after {frames[-1].time - START.timestamp():.1f} s"
    assert where in source.message
    slow = opened(tmp_path / "cut.mp4", fps=2)
    assert len(read_all(slow)) < len(frames) / 4
    assert lost in slow.message
    resumed = opened(tmp_path / "cut.mp4", after=len(frames))
    assert read_all(resumed) == []
    assert lost in resumed.message


def test_a_video_of_another_container_that_is_cut_off(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mkv", 100).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    source = opened(tmp_path / "cut.mkv")
    frames = read_all(source)
    assert 40 < len(frames) < 90
    assert f"{100 - len(frames)} of 100 frames could not be decoded" in source.message


def trimmed(path: Path, target: Path, seconds: int) -> Path:
    """The film without its beginning, whose pictures are still in the file, as programs that cut
    without coding anew leave it.
    """
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path)) as film, av.open(str(target), "w", options=options) as container:
        stream = container.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(film.streams.video[0]):
            if packet.pts is not None and packet.dts is not None:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                container.mux(packet)
    return target


def test_nothing_is_said_of_a_whole_file_whose_number_of_frames_is_an_estimate(
    tmp_path: Path,
) -> None:
    ticks = [0, 10, 20, 55, 60, 100, 250]
    seldom = write_video(tmp_path / "vfr.mkv", map(picture, range(7)), ticks=ticks)
    film = numbered(tmp_path / "whole.mp4", 100)
    shorter = trimmed(film, tmp_path / "trimmed.mp4", 3)
    stream = numbered(tmp_path / "clip.ts", 100)
    for path, frames in ((seldom, 7), (shorter, 70), (stream, 100)):
        source = opened(path)
        assert len(read_all(source)) == frames
        assert source.message == ""


def test_damage_in_the_middle_loses_only_what_is_damaged(tmp_path: Path) -> None:
    data = bytearray(numbered(tmp_path / "whole.mp4", 100, movflags="faststart").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    (tmp_path / "damaged.mp4").write_bytes(data)
    source = opened(tmp_path / "damaged.mp4")
    frames = read_all(source)
    assert len(frames) >= 80
    assert frames[-1].index == 100
    assert number_in(frames[-1].image) == 100
    lost = 100 - len(frames)
    assert (f"{lost} of 100 frames could not be decoded" in source.message) == bool(lost)
    assert all(a.index < b.index and a.time < b.time for a, b in pairwise(frames))


def test_a_sound_file_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(CamtrailError, match=r"sound\.mp4.*holds no video"):
        opened(tmp_path / "sound.mp4")


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("zero.mp4", b"", r"zero\.mp4: the file is empty"),
        ("text.mp4", b"not a video\n" * 500, r"text\.mp4: cannot be read as video \(Invalid data"),
        ("text.txt", b"not a video\n" * 500, r"text\.txt: cannot be read as video \(text"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, data: bytes, error: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CamtrailError, match=error):
        opened(tmp_path / name)


def test_missing_file_and_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match=r"away\.mp4: no such video"):
        opened(tmp_path / "away.mp4")
    with pytest.raises(CamtrailError, match="has no pictures"):
        opened(tmp_path)


def test_what_may_not_be_read_is_named() -> None:
    with public_folder() as folder:
        for name in ("closed", "within/frames"):
            (folder / name).mkdir(parents=True)
        cv2.imwrite(str(folder / "closed" / "1.png"), picture(1))
        for name in ("closed", "within"):
            (folder / name).chmod(0)
        for name in ("closed", "within/frames", "within/film.mp4"):
            with unprivileged(), pytest.raises(CamtrailError) as caught:
                opened(folder / name)
            assert f"{folder / name}: cannot be read (Permission denied)" in str(caught.value)


def test_a_file_cut_off_before_its_index_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = numbered(tmp_path / "whole.mp4", 50).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CamtrailError, match="cut off before its index was written"):
        opened(tmp_path / "cut.mp4")
    assert capfd.readouterr() == ("", "")  # FFmpeg keeps its own words to itself


def counted(name: str, **labels: str) -> float:
    labels = {"camera": "counted", **labels}
    return REGISTRY.get_sample_value(f"camtrail_camera_frames_{name}_total", labels) or 0.0


def counts_of(path: Path, after: int = 0, fps: float | None = None) -> dict[str, float]:
    """By what became of them, the frames that reading a file counts."""
    names = ("received", "decoded", "dropped:rate", "dropped:damaged")

    def now() -> dict[str, float]:
        found = {}
        for name in names:
            kind, _, reason = name.partition(":")
            found[name] = counted(kind, **({"reason": reason} if reason else {}))
        return found

    before = now()
    source = open_source(Camera(source=str(path), fps=fps), "counted", after)
    with closing(source):
        read_all(source)
    return {name: value - before[name] for name, value in now().items() if value != before[name]}


def test_counts_what_becomes_of_every_frame(tmp_path: Path) -> None:
    path = numbered(tmp_path / "clip.mp4", 60)
    assert counts_of(path) == {"received": 60, "decoded": 60}
    assert counts_of(path, fps=5) == {"received": 60, "decoded": 30, "dropped:rate": 30}
    assert counts_of(path, after=20) == {"received": 60, "decoded": 40}


def test_counts_what_is_damaged(tmp_path: Path) -> None:
    data = bytearray(numbered(tmp_path / "whole.mp4", 100, movflags="faststart").read_bytes())
    middle = slice(len(data) // 2, len(data) // 2 + len(data) // 10)
    data[middle] = bytes(len(data[middle]))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    found = counts_of(path)
    assert 50 < found["decoded"] < 100
    assert found["decoded"] + found["dropped:damaged"] == 100


def test_counts_pictures_of_a_folder_that_are_none(tmp_path: Path) -> None:
    for number in range(1, 6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    (tmp_path / "3.png").write_bytes(b"no picture")
    assert counts_of(tmp_path) == {"received": 5, "decoded": 4, "dropped:damaged": 1}
