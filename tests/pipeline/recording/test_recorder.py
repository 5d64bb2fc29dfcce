"""The real recorder on a real stream."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.camera.source import open_source
from pipeline.config import Camera, Site, load_site
from pipeline.errors import CamtrailError
from pipeline.recording.recorder import run_recorder
from pipeline.records import Assignment, Decision, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Said, Store, Verdict
from pipeline.store.recordings import Recordings, Segment
from tests.pipeline.camera.rtsp import RtspServer, need_gstreamer
from tests.pipeline.camera.videos import number_in, numbered
from tests.pipeline.run import Run
from tests.ports import free_port

RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute and a half at 10 pictures a second; each tells its number."""
    return numbered(tmp_path_factory.mktemp("film") / "film.mp4", 900)


def site_of(folder: Path, url: str) -> Site:
    (folder / "site.yaml").write_text(
        "site: yard\nrecording: {enabled: true, before: 1, after: 1}\n"
        f"cameras: {{gate: {{source: '{url}', open_timeout: 5, read_timeout: 2}}}}\n"
    )
    return load_site(folder / "site.yaml")


class Recorder:
    """The program `camtrail recorder`."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "recorder.log"
        command = [sys.executable, "-m", "pipeline.cli", "recorder", str(folder / "site.yaml")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, "--camera", "gate"], stderr=log)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def seen(site: Site, start: float, end: float) -> None:
    """Somebody was there, says the store: identity 1."""
    path = TrackPath.of([(start, 1, (0, 0, 9, 9))])
    update = TrackletUpdate("gate", RUN, 1, 1, start, end, path, 0, 0.0, None, "f", None, 0.0, True)
    said = Assignment(update.key, 1, Decision.NEW, 0, 0, end)
    with Store.open(site.store_url) as store:
        verdict = Verdict(update.key, end, said, None, {})
        store.commit(Batch([Received(update, end)], [], Outcome(verdicts=[verdict]), "f"))


def shown(segments: list[Segment]) -> list[tuple[float, int]]:
    """When each picture was taken, and its number."""
    found = []
    for segment in segments:
        with av.open(str(segment.file)) as container:
            for frame in container.decode(video=0):
                image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                found.append((segment.start + float(frame.time), number_in(image)))
    return found


@pytest.mark.rtsp
def test_records_survives_its_death_keeps_who_was_there_and_forgets(
    film: Path, tmp_path: Path
) -> None:
    need_gstreamer()
    with RtspServer(film) as server:
        site = site_of(tmp_path, server.url())
        recordings = Recordings(site.recordings_dir, "gate")
        recorder = Recorder(tmp_path)
        wait_for(lambda: len(recordings.undecided()) >= 2)
        os.kill(recorder.process.pid, signal.SIGKILL)
        recorder.process.wait()
        left = list(recordings.undecided()[0].file.parent.glob("*.partial"))
        assert len(left) == 1
        before = recordings.undecided()
        recorder = Recorder(tmp_path)
        wait_for(lambda: recordings.undecided()[-1].start > before[-1].end)
        assert not left[0].exists()
        numbers = [number for _, number in shown(before)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        middle = before[0].start + 1
        seen(site, middle, middle + 0.1)
        wait_for(lambda: recordings.kept())
        assert before[0].file.name in {segment.file.name for segment in recordings.kept()}
        assert recorder.stop() == 0
    with Store.open(site.store_url) as store:
        store.forget(1, Said("ada", 0, 0))
    assert recordings.during(middle - 1, middle + 1) == []


@pytest.mark.rtsp
def test_pictures_have_the_time_that_the_worker_gives_them(film: Path, tmp_path: Path) -> None:
    need_gstreamer()
    stop = threading.Event()
    with RtspServer(film, shared=True) as server:
        site = site_of(tmp_path, server.url())
        recorder = threading.Thread(target=run_recorder, args=(site, "gate", stop))
        recorder.start()
        source = open_source(Camera(source=server.url()), "gate")
        by_number: dict[int, float] = {}

        recordings = Recordings(site.recordings_dir, "gate")

        def recorded_both() -> bool:
            frame = source.read(0.2)
            if frame is not None:
                by_number[number_in(frame.image)] = frame.time
            segments = recordings.undecided()
            if not segments:
                return False
            return sum(time < segments[-1].end for time in by_number.values()) > 40

        try:
            wait_for(recorded_both)
        finally:
            stop.set()
            source.close()
            recorder.join()
    pictures = shown(recordings.undecided())
    differences = [time - by_number[number] for time, number in pictures if number in by_number]
    assert len(differences) > 20
    # Each has its time of arrival: on a busy machine now and then late, but not by a segment.
    assert min(abs(difference) for difference in differences) < 0.1
    assert abs(float(np.median(differences))) < 1.0


@pytest.mark.rtsp
@pytest.mark.slow
def test_a_camera_that_goes_away_is_called_again(film: Path, tmp_path: Path) -> None:
    need_gstreamer()
    with RtspServer(film, ("viewer", "right-one")) as server:
        site = site_of(tmp_path, server.url("viewer:right-one"))
        recordings = Recordings(site.recordings_dir, "gate")
        recorder = Recorder(tmp_path)
        wait_for(lambda: recordings.undecided())
        server.kill()
        wait_for(lambda: "trying again" in recorder.log.read_text())
        server.start()
        count = len(recordings.undecided())
        wait_for(lambda: len(recordings.undecided()) > count + 1)
        assert recorder.stop() == 0
    assert "right-one" not in recorder.log.read_text()


def test_a_camera_that_is_away_is_no_end(tmp_path: Path) -> None:
    site_of(tmp_path, f"rtsp://viewer:hidden@127.0.0.1:{free_port()}/stream")
    recorder = Recorder(tmp_path)
    wait_for(lambda: "refused" in recorder.log.read_text())
    assert recorder.process.poll() is None
    assert recorder.stop() == 0
    assert "hidden" not in recorder.log.read_text()


def test_a_codec_that_browsers_do_not_play_is_refused(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(5):
            image = np.zeros((96, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    site = site_of(tmp_path, film.as_uri())
    with pytest.raises(CamtrailError, match=r"sends mpeg4.*set the camera to H\.264"):
        run_recorder(site, "gate", threading.Event())


@pytest.mark.slow
@pytest.mark.rtsp
def test_a_run_site_starts_its_recorders_again(film: Path, tmp_path: Path) -> None:
    need_gstreamer()
    with RtspServer(film) as server:
        recordings = Recordings(site_of(tmp_path, server.url()).recordings_dir, "gate")
        run = Run(tmp_path / "site.yaml")
        try:
            wait_for(lambda: recordings.undecided())
            run.kill_and_wait_for_restart("recorder-gate")
            count = len(recordings.undecided())
            wait_for(lambda: len(recordings.undecided()) > count)
            assert len(run.pids("gate")) == 1  # its worker took no notice
            run.process.send_signal(signal.SIGTERM)
            assert run.process.wait(90) == 0
            assert run.all_gone()
        finally:
            run.end()


@pytest.mark.parametrize(
    ("source", "reason"),
    [("film.mp4", "it is a file"), ("0", "a device gives its pictures to one process only")],
)
def test_what_is_no_stream_is_not_recorded(tmp_path: Path, source: str, reason: str) -> None:
    with pytest.raises(CamtrailError, match=reason):
        run_recorder(site_of(tmp_path, source), "gate", threading.Event())


def test_recording_is_off_by_default(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: s\ncameras: {gate: {source: 'rtsp://h/1'}}\n")
    with pytest.raises(CamtrailError, match=r"recording\.enabled"):
        run_recorder(load_site(tmp_path / "site.yaml"), "gate", threading.Event())
