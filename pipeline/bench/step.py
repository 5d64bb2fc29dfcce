"""One step of the bench: a simulated site of so many cameras, live, through the whole system."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

import numpy as np
import redis
import yaml

from pipeline.bench.broadcast import Broadcast
from pipeline.bench.decisions import Decisions
from pipeline.bench.frames import in_frames
from pipeline.bus import Keys, connect
from pipeline.child import spawn
from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.evaluate.evaluation import evaluate
from pipeline.evaluate.truth import read_truth
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.store import Store

SETTLE = 4.0  # seconds behind the last frame until the end is called
KEEPS_UP = 0.9  # share of the frames that must be seen
_READY = 600.0  # seconds for all workers to see their first picture
_POLL = 0.05
_WARM = 3.0  # seconds of the film before the frame rate is taken
_STOP = 60.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class BenchOptions:
    """What is simulated: ``people`` for each camera, ``fps`` frames a second, ``seconds`` long."""

    seed: int = 1
    fps: float = 10.0
    seconds: float = 20.0
    people: int = 3


@dataclass(frozen=True)
class Step:
    """``fps`` is what the slowest camera reached, ``total_fps`` all together. ``delay`` and
    ``delay_p90`` are seconds from the moment on which a decision was taken to the decision in the
    store, ``identity_after`` those from a person's first visible frame to that moment, as median;
    NaN where nobody was decided on. ``idf1`` is of the frames that were seen.
    """

    cameras: int
    asked_fps: float
    fps: float
    total_fps: float
    delay: float
    delay_p90: float
    identity_after: float
    decisions: int
    idf1: float
    people: int

    @property
    def keeps_up(self) -> bool:
        """Whether every camera saw nearly all its frames."""
        return self.fps >= KEEPS_UP * self.asked_fps


def run_step(folder: Path, cameras: int, options: BenchOptions, tell: Tell) -> Step:
    """Simulates, runs, measures.

    Raises:
        CamtrailError: the site does not start, or ends by itself.
    """
    name = named(cameras)
    tell(f"{name}: simulating")
    people = min(200, options.people * cameras)
    simulate_site(folder, SiteOptions(options.seed, cameras, people, options.seconds, options.fps))
    films = {file.stem: file for file in sorted(folder.glob("*.mp4"))}
    with Broadcast(films, options.fps) as broadcast:
        path = live_site(folder, broadcast)
        site = load_site(path)
        with (
            closing(_Health(site)) as health,
            _running(path, folder / "run.log") as process,
            Decisions(site) as decisions,
        ):
            tell(f"{name}: starting")
            wait_until(health.ready, process, _READY, folder / "run.log")
            tell(f"{name}: running for {options.seconds:g} s")
            began = broadcast.begin()
            rates: list[list[float]] = []
            while time.time() < began + options.seconds + SETTLE:
                _check(process, folder / "run.log")
                decisions.look()
                if began + _WARM <= time.time() < began + options.seconds:
                    rates += health.rates()
                time.sleep(_POLL)
    tell(f"{name}: evaluating")
    return _result(site, folder, options, began, rates, decisions.delays(began))


def named(cameras: int) -> str:
    """How a step is called."""
    return "1 camera" if cameras == 1 else f"{cameras} cameras"


def live_site(folder: Path, broadcast: Broadcast) -> Path:
    """The simulated ``site.yaml`` with streams for sources, and nothing beside the work."""
    raw = yaml.safe_load((folder / "site.yaml").read_text())
    raw["cameras"] = {name: {"source": broadcast.url(name)} for name in raw["cameras"]}
    raw["recording"] = {"enabled": False}
    path = folder / "live.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@contextmanager
def _running(path: Path, log: Path) -> Iterator[Popen[bytes]]:
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path), "--no-viewer"]
    with log.open("wb") as output:
        process = spawn(command, output.fileno())
        try:
            yield process
        finally:
            process.terminate()
            with suppress(TimeoutExpired):
                process.wait(_STOP)
            process.kill()


class _Health:
    """What workers and matcher say of themselves."""

    def __init__(self, site: Site) -> None:
        self._client = connect(site, name="bench")
        self._keys = Keys(site.site)
        self._cameras = list(site.cameras)

    def ready(self) -> bool:
        """Whether every camera sees its pictures, and the matcher decides."""
        try:
            return bool(self._client.exists(self._keys.matcher)) and min(self._read()) > 0
        except redis.RedisError:
            return False

    def rates(self) -> list[list[float]]:
        """One row with the frames a second of each camera; none while Redis does not answer."""
        try:
            return [self._read()]
        except redis.RedisError:
            return []

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def _read(self) -> list[float]:
        hashes: list[Any] = [self._client.hgetall(self._keys.health(c)) for c in self._cameras]
        return [float(fields.get(b"fps", 0)) for fields in hashes]


def wait_until(done: Callable[[], bool], process: Popen[bytes], seconds: float, log: Path) -> None:
    """Until something is done by a program that goes on meanwhile.

    Raises:
        CamtrailError: it ended, or that takes too long; the text names the log.
    """
    deadline = time.monotonic() + seconds
    while not done():
        _check(process, log)
        if time.monotonic() > deadline:
            raise CamtrailError(f"the site did not start within {seconds:.0f} s; see {log}")
        time.sleep(_POLL)


def _check(process: Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise CamtrailError(f"`camtrail run` ended by itself; see {log}")


def _result(
    site: Site,
    folder: Path,
    options: BenchOptions,
    began: float,
    rates: list[list[float]],
    delays: list[float],
) -> Step:
    truth = read_truth(folder, site.cameras)
    tracks = {}
    with Store.open(site.store_url, read_only=True) as store:
        for camera in site.cameras:
            rows, seen = in_frames(list(store.tracks(camera)), truth[camera], began, options.fps)
            tracks[camera] = rows
            people = truth[camera].people
            kept = people.keep(np.isin(people.frames, seen))
            truth[camera] = replace(truth[camera], people=kept)
    evaluation = evaluate(truth, tracks)
    mean = np.mean(rates, axis=0) if rates else np.zeros(len(site.cameras))
    delay, p90 = np.percentile(delays, [50, 90]) if delays else (math.nan, math.nan)
    return Step(
        cameras=len(site.cameras),
        asked_fps=options.fps,
        fps=float(mean.min()),
        total_fps=float(mean.sum()),
        delay=float(delay),
        delay_p90=float(p90),
        identity_after=evaluation.time_to_identity.median,
        decisions=len(delays),
        idf1=evaluation.overall.idf1,
        people=evaluation.overall.people,
    )
