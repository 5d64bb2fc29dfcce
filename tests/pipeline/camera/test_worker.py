"""The worker on real H.264, with a real Redis server, and as a real process to be killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import config
from pipeline.bus import EmbeddedServer, Keys, Publisher, connect, encode
from pipeline.camera.files import FileSource
from pipeline.camera.worker import Worker, run_worker, unmasked
from pipeline.child import INCOMPLETE, STOPPED
from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.inference.detector import Detector
from pipeline.inference.encoder import EncoderRuntime
from pipeline.inference.pool import DetectorPool
from pipeline.records import CameraState, Detections, Envelope, Frame, Image, TrackletUpdate
from pipeline.simulate import SiteOptions, simulate_site
from tests.pipeline.camera.peers import Committer, write_site
from tests.pipeline.camera.rtsp import RtspServer, need_gstreamer
from tests.pipeline.camera.videos import numbered
from tests.pipeline.inference.networks import untrained
from tests.ports import free_port

START = 1767600000.0  # 2026-01-05T08:00:00Z


class Yard:
    """A folder with a site, its server and its committer."""

    def __init__(self, folder: Path, networks: tuple[Path, Path]) -> None:
        self.folder = folder
        self._networks = networks
        self._processes: list[subprocess.Popen[bytes]] = []
        self.path = folder / "site.yaml"
        self.site: Site
        self.server: EmbeddedServer
        self._open = ExitStack()

    def open(self, cameras: str, **detector: object) -> Committer:
        detector.setdefault("image_size", 64)
        self.path = write_site(self.folder, *self._networks, cameras, **detector)
        self.site = load_site(self.path)
        self.server = EmbeddedServer(self.site)
        self.server.start()
        self._open.callback(self.server.stop)
        return Committer(self.site)

    def start(self, camera: str) -> subprocess.Popen[bytes]:
        arguments = ["-m", "pipeline.cli", "worker", str(self.path), "--camera", camera]
        with (self.folder / f"{camera}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def health(self, camera: str) -> dict[str, str]:
        client = connect(self.site)
        try:
            health = client.hgetall(Keys(self.site.site).health(camera))
        finally:
            client.close()
        return {key.decode(): value.decode() for key, value in health.items()}

    def log(self, camera: str) -> str:
        return (self.folder / f"{camera}.log").read_text()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._open.close()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    yard = Yard(tmp_path, untrained())
    yield yard
    yard.close()


FILE = "  gate: {source: gate.mp4, start: 2026-01-05T08:00:00Z}\n"


def test_a_file_is_read_to_its_end_and_only_once(yard: Yard) -> None:
    numbered(yard.folder / "gate.mp4", 45)
    with yard.open(FILE, batch=4) as committer:
        run_worker(yard.site, "gate", threading.Event())
        progress = committer.progress("gate")
        states = [p.state for p in progress]
        assert states[0] == CameraState.STARTING
        assert states[-1] == CameraState.ENDED
        assert set(states[1:-1]) == {CameraState.RUNNING}
        np.testing.assert_allclose(
            [p.time for p in progress], START + np.array([0, 1, 2, 3, 4, 4.4])
        )
        assert (progress[-1].frames, progress[-1].frame) == (45, 45)
        assert not progress[-1].live
        assert committer.numbers(progress[0].run) == list(
            range(1, len(committer.numbers(progress[0].run)) + 1)
        )
        assert int(yard.health("gate")["frames"]) <= 45

        run_worker(yard.site, "gate", threading.Event())
        assert committer.progress("gate") == progress
    # Nobody commits any more: a matcher of `--until-end` has gone.
    late = threading.Thread(target=run_worker, args=(yard.site, "gate", threading.Event()))
    late.start()
    late.join(60)
    assert not late.is_alive()


def test_another_file_in_the_place_of_one_that_was_read(yard: Yard) -> None:
    video = yard.folder / "gate.mp4"
    numbered(video, 45)
    with yard.open(FILE, image_size=64) as committer:
        run_worker(yard.site, "gate", threading.Event())
        first = committer.progress("gate")[-1]
        numbered(video, 25)
        with pytest.raises(CamtrailError, match=r"not the file that camera 'gate' has read before"):
            run_worker(yard.site, "gate", threading.Event())
        assert committer.progress("gate")[-1] == first
        later = datetime.fromtimestamp(first.time + 60, UTC)
        camera = yard.site.cameras["gate"].model_copy(update={"start": later})
        site = yard.site.model_copy(update={"cameras": {"gate": camera}})
        run_worker(site, "gate", threading.Event())
        last = committer.progress("gate")[-1]
        assert (last.state, last.frames, last.frame) == (CameraState.ENDED, 25, 25)
        assert last.time == pytest.approx(later.timestamp() + 2.4)
        assert last.source not in ("", first.source)


def test_a_killed_worker_goes_on_where_it_had_published(yard: Yard) -> None:
    numbered(yard.folder / "gate.mp4", 300)
    with yard.open(FILE, image_size=96) as committer:
        victim = yard.start("gate")
        committer.wait_for(lambda: len(committer.progress("gate")) >= 4)
        victim.kill()
        victim.wait()
        assert yard.start("gate").wait(90) == 0, yard.log("gate")
        progress = committer.progress("gate")
        last = {p.run: p for p in progress}
        assert len(last) == 2
        first, second = (last[run] for run in sorted(last))
        assert 20 <= first.frame < 300
        assert second.state == CameraState.ENDED
        assert second.frame == 300
        assert first.frames + second.frames == 300
        times = [p.time for p in progress]
        assert times == sorted(times)
        for run in last:
            assert committer.numbers(run) == list(range(1, len(committer.numbers(run)) + 1))


def test_a_stopped_worker_publishes_what_it_holds(yard: Yard) -> None:
    numbered(yard.folder / "gate.mp4", 900)
    with yard.open(FILE, image_size=160) as committer:
        worker = yard.start("gate")
        committer.wait_for(lambda: len(committer.progress("gate")) >= 3)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == STOPPED, yard.log("gate")
        last = committer.progress("gate")[-1]
        assert last.state == CameraState.RUNNING
        assert 0 < last.frame < 900
        assert last.frames == last.frame
        assert last.time == pytest.approx(START + (last.frame - 1) / 10)


class OneByOne(DetectorPool):
    """Detects where it is told to, before anything else goes on."""

    def __init__(self, detector: Detector, live: bool) -> None:
        super().__init__(detector, live)
        self.ahead = 0
        self._share = detector.share(detector.at_once)

    def begin(self, images: Sequence[Image]) -> Future[list[Detections]]:
        found: Future[list[Detections]] = Future()
        threads = torch.get_num_threads()
        self._share()  # as each of several networks has
        found.set_result(self._detect(images))
        torch.set_num_threads(threads)
        return found


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("three_cores")
def test_detection_ahead_changes_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_site(tmp_path, SiteOptions(seed=5, cameras=2, people=4, seconds=6, fps=10))
    sent = []
    for pool in (DetectorPool, OneByOne):
        monkeypatch.setattr("pipeline.camera.worker.DetectorPool", pool)
        folder = tmp_path / pool.__name__
        folder.mkdir()
        (folder / "gate.mp4").symlink_to(tmp_path / "gate.mp4")
        yard = Yard(folder, (config.DEMO_DETECTOR, config.DEMO_ENCODER))
        with yard.open(FILE, image_size=320, batch=2) as committer:
            run_worker(yard.site, "gate", threading.Event())
            bodies = [*committer.updates(), *committer.progress("gate")]
        yard.close()
        sent.append([encode(Envelope(1, replace(body, run="0" * 26))) for body in bodies])
        updates = [body for body in bodies if isinstance(body, TrackletUpdate)]
        assert sum(len(update.path) for update in updates) > 60
        assert any(update.embedding is not None for update in updates)
    assert sent[0] == sent[1]


class StopAtLook(threading.Event):
    """Is set when it is looked at for the n-th time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def is_set(self) -> bool:
        self._left -= 1
        return self._left <= 0


@pytest.mark.usefixtures("three_cores")
@pytest.mark.parametrize("look", [1, 3, 8, 22, 23, 24, 25])  # from the 22nd on the file has ended
def test_a_stop_loses_no_frame_that_was_begun(yard: Yard, look: int) -> None:
    numbered(yard.folder / "gate.mp4", 12)
    with yard.open(FILE) as committer:
        run_worker(yard.site, "gate", StopAtLook(look))
        assert_the_next_run_sees_the_rest(yard, committer, 12)


class FailsAt(Detector):
    """Breaks at the picture of that number."""

    left = 0

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        FailsAt.left -= 1
        if not FailsAt.left:
            raise CamtrailError("the graphics card is gone")
        return super().detect(images)


@pytest.mark.usefixtures("three_cores")
@pytest.mark.parametrize("picture", [1, 7, 12])
def test_an_error_of_the_detector_ends_the_worker_and_loses_no_frame(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, picture: int
) -> None:
    numbered(yard.folder / "gate.mp4", 12)
    monkeypatch.setattr("pipeline.inference.detector.Detector", FailsAt)
    FailsAt.left = picture
    with yard.open(FILE) as committer:
        with pytest.raises(CamtrailError, match="the graphics card is gone"):
            run_worker(yard.site, "gate", threading.Event())
        assert_the_next_run_sees_the_rest(yard, committer, 12)


def assert_the_next_run_sees_the_rest(yard: Yard, committer: Committer, frames: int) -> None:
    run_worker(yard.site, "gate", threading.Event())
    last = {p.run: p for p in committer.progress("gate")}
    first, second = (last[run] for run in sorted(last))
    assert first.state in (CameraState.STARTING, CameraState.RUNNING)
    assert first.frame == first.frames < frames
    assert second.state == CameraState.ENDED
    assert (second.frame, second.frames) == (frames, frames - first.frames)


class Clocked(FileSource):
    """A file as if it came on the clock; notes how many frames were seen at each read."""

    live = True
    worker: Worker

    def __init__(self, camera: config.Camera, name: str) -> None:
        super().__init__(camera, name)
        self.seen: list[int] = []

    def read(self, timeout: float) -> Frame | None:
        self.seen.append(self.worker.frames)
        return super().read(timeout)


@pytest.mark.usefixtures("three_cores")
def test_no_frame_of_a_live_camera_waits_for_another(yard: Yard) -> None:
    numbered(yard.folder / "gate.mp4", 12)
    with yard.open(FILE), Publisher(yard.site, "gate") as publisher:
        site, source = yard.site, Clocked(yard.site.camera("gate"), "gate")
        detector, encoder = Detector(site.detector), EncoderRuntime(site.encoder, 1)
        with closing(source):
            source.worker = Worker(site, "gate", source, detector, encoder, publisher)
            source.worker.run(threading.Event())
        assert source.seen == list(range(13))


def test_bad_input_ends_with_one_line(yard: Yard) -> None:
    (yard.folder / "gate.mp4").write_bytes(b"")
    with yard.open(FILE):
        assert yard.start("gate").wait(60) == 2
        assert "gate.mp4: the file is empty (0 bytes)" in yard.log("gate")
        assert "Traceback" not in yard.log("gate")
        with pytest.raises(CamtrailError, match="no camera 'roof'; there are: gate"):
            run_worker(yard.site, "roof", threading.Event())


def test_a_truncated_file_is_read_as_far_as_it_goes_and_says_so(yard: Yard) -> None:
    whole = numbered(yard.folder / "whole.mp4", 100, movflags="faststart").read_bytes()
    (yard.folder / "gate.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    with yard.open(FILE) as committer:
        assert yard.start("gate").wait(60) == INCOMPLETE
        last = committer.progress("gate")[-1]
        assert last.state == CameraState.ENDED
        assert 40 < last.frames < 90
        said = yard.log("gate").splitlines()[-1]
        assert said.startswith("camtrail: ")
        assert f"gate.mp4: {100 - last.frames} of 100 frames could not be decoded" in said


def test_a_live_camera_that_is_away_holds_nobody_up(yard: Yard) -> None:
    camera = f'  gate: {{source: "rtsp://u:hidden@127.0.0.1:{free_port()}/stream"}}\n'
    with yard.open(camera) as committer:
        stop = threading.Event()
        worker = threading.Thread(target=run_worker, args=(yard.site, "gate", stop))
        worker.start()
        committer.wait_for(lambda: len(committer.progress("gate")) >= 4)
        health = yard.health("gate")
        stop.set()
        worker.join()
        progress = committer.progress("gate")
        assert [p.state for p in progress[:4]] == [CameraState.STARTING] + [CameraState.RUNNING] * 3
        assert all(p.live and p.frames == 0 for p in progress)
        steps = np.diff([p.time for p in progress])
        assert (steps >= 0).all()
        assert steps.max() < 2.5
        assert health["state"] == "connecting"
        assert "refused" in health["message"]
        assert "hidden" not in str(health)
        committer.wait_for(lambda: committer.progress("gate")[-1].state == CameraState.LOST)


@pytest.mark.rtsp
def test_a_camera_reconnects_by_itself_while_the_other_never_pauses(
    yard: Yard, tmp_path_factory: pytest.TempPathFactory
) -> None:
    need_gstreamer()
    film = numbered(tmp_path_factory.mktemp("film") / "film.mp4", 900)
    login = ("viewer", "s3cret")
    with RtspServer(film, login) as fragile, RtspServer(film, login) as other:
        cameras = "".join(
            f'  {name}: {{source: "{server.url("viewer:s3cret")}", read_timeout: 2, fps: 5}}\n'
            for name, server in (("gate", fragile), ("hall", other))
        )
        with yard.open(cameras) as committer:
            workers = [yard.start("gate"), yard.start("hall")]

            def frames(camera: str) -> int:
                progress = committer.progress(camera)
                return progress[-1].frames if progress else 0

            committer.wait_for(lambda: frames("gate") > 3 and frames("hall") > 3)
            fragile.kill()
            seen = len(committer.progress("gate")), frames("gate")
            committer.wait_for(lambda: len(committer.progress("gate")) >= seen[0] + 3)
            silent = frames("gate")
            assert silent <= seen[1] + 10
            fragile.start()
            committer.wait_for(lambda: frames("gate") > silent + 3)
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            assert [worker.wait(20) for worker in workers] == [0, 0]
            assert len({p.run for p in committer.progress("gate")}) == 1  # never restarted
            hall = [p for p in committer.progress("hall") if p.frames > 3]
            gained = np.diff([p.frames for p in hall[:-1]])
            assert (gained >= 1).all()
            assert np.diff([p.time for p in hall]).max() < 2
    assert "s3cret" not in yard.log("gate") + yard.log("hall")


@pytest.mark.realdata
def test_people_on_a_real_street(realdata: Path, yard: Yard) -> None:
    shutil.copy(realdata / "video" / "TUD-Campus.mp4", yard.folder / "gate.mp4")
    weights = realdata / "detector" / "yolo11n_deq.pt"
    yard._networks = (weights, yard._networks[1])
    with yard.open(FILE, image_size=640) as committer:
        run_worker(yard.site, "gate", threading.Event())
        updates = committer.updates()
        tracks = {update.track for update in updates}
        assert 6 <= len(tracks) <= 20
        points = sum(len(update.path) for update in updates)
        assert 200 < points < 450  # there are 359 in the truth
        last = {update.track: update for update in updates}
        assert all(update.ended and update.embedding is not None for update in last.values())
        assert sum(update.crops for update in last.values()) < points / 4
        assert all(update.thumbnail for update in updates if update.seq == 1 and update.crops)


def test_people_who_stand_in_a_mask_are_left_out() -> None:
    boxes = np.array([[10, 10, 30, 90], [60, 10, 80, 90], [60, 10, 80, 40]], np.float32)
    people = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32))
    mask = [(50.0, 50.0), (100.0, 50.0), (100.0, 100.0), (50.0, 100.0)]
    left = unmasked(people, [mask])
    np.testing.assert_array_equal(left.boxes, boxes[[0, 2]])
    np.testing.assert_allclose(left.confidences, [0.9, 0.7])
    assert unmasked(people, []) is people
