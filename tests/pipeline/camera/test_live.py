from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.camera import live
from pipeline.camera.live import Clock, LiveSource
from pipeline.camera.source import open_source
from pipeline.config import Camera
from pipeline.records import Frame
from tests.pipeline.camera.rtsp import RtspServer, need_gstreamer
from tests.pipeline.camera.videos import number_in, numbered
from tests.ports import free_port


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BACKOFF", (0.1, 0.5))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute at 10 frames a second."""
    return numbered(tmp_path_factory.mktemp("film") / "film.mp4", 600)


def opened(url: str, fps: float | None = None) -> LiveSource:
    source = open_source(Camera(source=url, fps=fps, open_timeout=3, read_timeout=2), "gate")
    assert isinstance(source, LiveSource)
    return source


def next_frame(source: LiveSource) -> Frame:
    frame = source.read(15)
    assert frame is not None, source.message
    return frame


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.02)


def test_clock_never_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, ticks = [1000.0], [0.0]
    monkeypatch.setattr(live.time, "time", lambda: wall[0])
    monkeypatch.setattr(live.time, "monotonic", lambda: ticks[0])
    clock = Clock()
    wall[0], ticks[0] = 1010.0, 10.0
    assert clock.now() == 1010
    wall[0], ticks[0] = 1000.0, 12.0  # set back by 12 seconds: half the pace
    assert clock.now() == 1011
    wall[0], ticks[0] = 1100.0, 112.0  # caught up
    assert clock.now() == 1100


@pytest.mark.rtsp
def test_rtsp_gives_frames_at_the_time_of_arrival(film: Path) -> None:
    need_gstreamer()
    with RtspServer(film) as server:
        source = opened(server.url())
        before = time.time()
        frames = [next_frame(source) for _ in range(10)]
        assert [frame.index for frame in frames] == list(range(1, 11))
        numbers = [number_in(frame.image) for frame in frames]
        assert numbers == sorted(numbers)
        assert all(a.time < b.time for a, b in pairwise(frames))
        assert before <= frames[0].time
        assert frames[-1].time <= time.time()
        assert source.connected
        assert source.fps == pytest.approx(10, abs=0.5)
        source.close()


@pytest.mark.rtsp
def test_a_slow_reader_gets_the_newest_frame(film: Path) -> None:
    need_gstreamer()
    with RtspServer(film) as server:
        source = opened(server.url())
        first = next_frame(source)
        time.sleep(1.5)  # the reader is busy
        second, third = next_frame(source), next_frame(source)
        skipped = number_in(second.image) - number_in(first.image)
        assert 10 <= skipped <= 20
        assert second.time - first.time == pytest.approx(skipped / 10, abs=0.4)
        assert number_in(third.image) - number_in(second.image) <= 2
        source.close()


@pytest.mark.rtsp
def test_the_rate_of_a_stream_is_capped(film: Path) -> None:
    need_gstreamer()
    with RtspServer(film) as server:
        source = opened(server.url(), fps=4)
        frames = [next_frame(source) for _ in range(9)]
        assert frames[-1].time - frames[0].time == pytest.approx(2, abs=0.4)
        source.close()


@pytest.mark.rtsp
def test_wrong_password_is_said_and_never_printed(
    film: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    need_gstreamer()
    with RtspServer(film, ("viewer", "right-one")) as server:
        source = opened(server.url("viewer:s3cret-one"))
        wait_for(lambda: "401" in source.message)
        assert "viewer:***@" in source.message
        assert source.read(0.1) is None
        assert not source.connected
        source.close()
        right = opened(server.url("viewer:right-one"))
        assert number_in(next_frame(right).image) >= 1
        right.close()
    printed = "".join(capfd.readouterr())
    assert "s3cret-one" not in printed + source.message
    assert "right-one" not in printed


@pytest.mark.rtsp
def test_reconnects_by_itself_while_another_never_pauses(film: Path) -> None:
    need_gstreamer()
    with RtspServer(film) as fragile, RtspServer(film) as other:
        source, neighbour = opened(fragile.url()), opened(other.url())
        next_frame(source)
        next_frame(neighbour)
        times: list[float] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                frame = neighbour.read(5)
                if frame is not None:
                    times.append(frame.time)

        watcher = threading.Thread(target=watch)
        watcher.start()
        fragile.kill()
        wait_for(lambda: not source.connected)
        assert source.reconnects == 1
        assert source.read(0.3) is None or source.read(0.3) is None
        before = source.now()
        fragile.start()
        frame = next_frame(source)
        assert frame.time > before
        assert source.connected
        assert source.message == ""
        done.set()
        watcher.join()
        assert len(times) > 5
        assert max(b - a for a, b in pairwise(times)) < 0.5
        source.close()
        neighbour.close()


def test_a_camera_that_is_away_is_no_error() -> None:
    source = opened(f"rtsp://admin:hidden@127.0.0.1:{free_port()}/stream")
    wait_for(lambda: "refused" in source.message)
    assert "hidden" not in source.message
    assert source.read(0.1) is None
    assert not source.ended
    source.close()


@pytest.mark.parametrize("device", ["/dev/video-none", "987"])
def test_a_device_that_is_away_is_no_error(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV takes the time-out of reading a device from the environment, in whole seconds."""
    monkeypatch.setenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "10")
    source = open_source(Camera(source=device, read_timeout=1.5), "gate")
    wait_for(lambda: "no such video device" in source.message, 5)
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "2"
    assert not source.ended
    source.close()


@pytest.fixture
def web(film: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(film.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{film.name}"
    server.shutdown()
    server.server_close()


def test_http_is_a_live_source(web: str) -> None:
    source = opened(web)
    assert number_in(next_frame(source).image) >= 1
    source.close()
