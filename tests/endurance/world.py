"""A site with real cameras, processes and servers, all of which can be broken."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import telemetry
from pipeline.config import Site, load_site
from pipeline.simulate import SiteOptions, simulate_site
from tests.endurance.disk import Disk
from tests.endurance.films import looped, other
from tests.endurance.relay import Relay
from tests.pipeline.bus.servers import Watched
from tests.pipeline.camera.rtsp import RtspServer
from tests.pipeline.run import Run

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
_DISK_MEGABYTES = 512
_END_SECONDS = 300.0  # much: the machine may be busy


@dataclass(frozen=True)
class Options:
    """How large, how long."""

    cameras: int
    fps: float
    seed: int
    minutes: float
    film_seconds: float = 40.0
    inference: str = "shared"


class Camera:
    """An RTSP server with its films, and a relay before it."""

    def __init__(self, films: Mapping[str, Path], seed: int) -> None:
        self.films = films
        self.server = RtspServer(films["usual"], shared=True)
        self.relay = Relay(self.server.port, seed)
        self.server.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.relay.port}/stream"

    def change(self, film: str) -> None:
        """Another film from now on; who looks has to connect again."""
        self.server.kill()
        self.server.file = self.films[film]
        self.server.start()

    def close(self) -> None:
        self.relay.close()
        self.server.kill()


class World:
    """`camtrail run` on RTSP cameras, with a Redis under Sentinels and a standby matcher.

    Attributes:
        shift: seconds by which the clock of the run's processes is put forward; see `set_clock`.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self.rng = random.Random(options.seed)
        self.shift = 0.0
        self._folder = folder
        self._runs = 0
        with ExitStack() as stack:
            self.disk = Disk(folder / "data", _DISK_MEGABYTES)
            stack.callback(self.disk.close)
            self.redis = stack.enter_context(Watched(folder / "redis"))
            self.cameras = dict(_cameras(folder / "films", options))
            for camera in self.cameras.values():
                stack.callback(camera.close)
            self._path = self._write(options)
            self.site: Site = load_site(self._path)
            self._clock = folder / "clock"
            self.set_clock(0.0)
            self.run = self._start()
            stack.callback(lambda: self.run.end(_END_SECONDS))
            self._stack = stack.pop_all()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pid(self, process: str) -> int:
        """Of one of the run's processes, or of ``supervisor``."""
        return self.run.process.pid if process == "supervisor" else self.run.pids(process)[-1]

    def set_clock(self, shift: float) -> None:
        """Puts the clock of the run's processes forward by so many seconds, or back."""
        self.shift = shift
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{shift:+.3f}\n")
        fresh.replace(self._clock)

    def start_again(self) -> None:
        """A new `camtrail run`, after the old one's death."""
        self.run.end(_END_SECONDS)
        self.run = self._start()

    def _start(self) -> Run:
        self._runs += 1
        environment = {"OMP_WAIT_POLICY": "passive"}
        if FAKETIME is not None:
            environment |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self._clock),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        log = self._folder / f"run-{self._runs}.log"
        return Run(self._path, viewer=True, environment=environment, log=log)

    def _write(self, options: Options) -> Path:
        cameras = "".join(
            f"  {name}: {{source: '{camera.url}', fps: {options.fps}, open_timeout: 5, "
            "read_timeout: 5}\n"
            for name, camera in self.cameras.items()
        )
        path = self._folder / "site.yaml"
        path.write_text(
            f"site: chaos\ndata_dir: data\nredis: {self.redis.url}\n"
            f"inference: {options.inference}\n"
            "detector: {device: cpu}\nencoder: {device: cpu}\nmatcher: {standby: true}\n"
            f"viewer: {{port: 0}}\ncameras:\n{cameras}"
        )
        return path


@contextmanager
def folder_for(name: str, keep: Path | None) -> Iterator[Path]:
    """A fresh folder, deleted at the end unless it was asked for; what is logged goes to stderr."""
    telemetry.configure(name)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    path = Path(f"/tmp/camtrail-{name}-{os.getpid()}")
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _cameras(folder: Path, options: Options) -> Iterator[tuple[str, Camera]]:
    site = SiteOptions(
        seed=options.seed, cameras=options.cameras, people=8, seconds=options.film_seconds
    )
    if not (folder / "site.yaml").exists():
        simulate_site(folder, site)
    seconds = 60 * options.minutes + 600
    for number, name in enumerate(load_site(folder / "site.yaml").cameras):
        film = folder / f"{name}.mp4"
        small = other(film, folder / f"{name}.small.mp4", "libx264", 480, 272)
        hevc = other(film, folder / f"{name}.short.h265.mp4", "libx265", 640, 360)
        films = {
            "usual": looped(film, folder / f"{name}.usual.mp4", seconds),
            "small": looped(small, folder / f"{name}.smaller.mp4", seconds),
            "h265": looped(hevc, folder / f"{name}.long.h265.mp4", seconds),
        }
        yield name, Camera(films, options.seed + number)
