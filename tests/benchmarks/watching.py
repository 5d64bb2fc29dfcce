"""What it costs a camera's worker to be watched, and that it costs nothing while nobody does.

``python -m tests.benchmarks.watching --json``

Four workers read one RTSP server on loopback, each capped far below what the machine can do. In
turns nobody watches and one viewer watches all four; of each turn the processor time of the workers
(user and system, all threads) is divided by the frames that they saw. What is in view changes from
turn to turn, so many short turns say more than few long ones. It takes a machine that is idle, and
GStreamer's RTSP server (`make test` installs it).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis

from pipeline.bus import EmbeddedServer, Keys, connect
from pipeline.config import Site, load_site
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.viewer.live import WATCH_SECONDS, Watcher
from tests.pipeline.camera.rtsp import RtspServer

CAMERAS = ("one", "two", "three", "four")
START_SECONDS = 120.0
_LOOK_SECONDS = 0.1
SETTLE_SECONDS = WATCH_SECONDS + 2.0  # until a worker has noticed that nobody watches any more


@dataclass(frozen=True)
class Turn:
    """Processor seconds and frames of all workers, and the frames that somebody was sent."""

    seconds: float
    frames: int
    sent: int


class Bench:
    """A site whose workers run."""

    def __init__(self, site: Site, workers: list[psutil.Process], client: redis.Redis) -> None:
        self._site = site
        self._workers = workers
        self._client = client
        self._keys = Keys(site.site)

    def wait_for_frames(self) -> None:
        """Until each worker has seen some."""
        deadline = time.monotonic() + START_SECONDS
        while min(int(self._report(name).get(b"frames", 0)) for name in CAMERAS) < 20:
            if time.monotonic() > deadline:
                raise SystemExit("the workers see nothing; are GStreamer's packages installed?")
            time.sleep(0.2)

    def turn(self, seconds: float, watched: bool) -> Turn:
        """Measures once the workers have noticed."""
        end = time.monotonic() + SETTLE_SECONDS
        with ExitStack() as stack:
            watcher = None
            if watched:
                watcher = stack.enter_context(closing(Watcher(self._site, CAMERAS)))
            listener = stack.enter_context(closing(self._client.pubsub()))
            listener.subscribe(*map(self._keys.live, CAMERAS))
            self._pass_time(end, watcher, listener)
            _, before = self._read(watcher, listener)
            sent = self._pass_time(time.monotonic() + seconds, watcher, listener)
            more, after = self._read(watcher, listener)
            spent = [after[name][0] - before[name][0] for name in CAMERAS]
            frames = [after[name][1] - before[name][1] for name in CAMERAS]
            return Turn(sum(spent), sum(frames), sent + more)

    def _read(
        self, watcher: Watcher | None, listener: redis.client.PubSub
    ) -> tuple[int, dict[str, tuple[float, int]]]:
        """How many frames were sent meanwhile; of each worker, as it has just said how it is, the
        processor time and the frames so far.
        """
        known = {name: self._report(name).get(b"time") for name in CAMERAS}
        found: dict[str, tuple[float, int]] = {}
        sent = 0
        while len(found) < len(CAMERAS):
            sent += self._pass_time(time.monotonic() + _LOOK_SECONDS, watcher, listener)
            for name, worker in zip(CAMERAS, self._workers, strict=True):
                report = self._report(name)
                if name not in found and report.get(b"time") != known[name]:
                    times = worker.cpu_times()
                    found[name] = times.user + times.system, int(report[b"frames"])
        return sent, found

    def _pass_time(self, end: float, watcher: Watcher | None, listener: redis.client.PubSub) -> int:
        """How many frames were sent until then."""
        sent = 0
        while time.monotonic() < end:
            if watcher is not None:
                watcher.read()
            while message := listener.get_message(timeout=0.0 if watcher else _LOOK_SECONDS):
                sent += message["type"] == "message"
        return sent

    def _report(self, name: str) -> dict[bytes, bytes]:
        report: dict[bytes, bytes] = self._client.hgetall(self._keys.health(name))
        return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, default=2.0, help="of each camera")
    parser.add_argument("--seconds", type=float, default=15.0, help="of a turn")
    parser.add_argument("--turns", type=int, default=6, help="of each kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bench = start(Path(folder), options.fps, stack)
        bench.wait_for_frames()
        alone, watched = [], []
        for number in range(options.turns):
            print(f"turn {number + 1} of {options.turns}", file=sys.stderr)
            alone.append(bench.turn(options.seconds, watched=False))
            watched.append(bench.turn(options.seconds, watched=True))
    result = judge(alone, watched)
    if options.json:
        print(json.dumps(result))
    else:
        print(
            "processor time a frame: {alone_ms:.2f} ms alone, {watched_ms:.2f} ms watched: "
            "{more_percent:+.1f} %; {sent_alone} frames sent while nobody watched, "
            "{sent_watched} of {frames_watched} while somebody did".format(**result)
        )


def start(folder: Path, fps: float, stack: ExitStack) -> Bench:
    """Films, serves, and starts Redis, a matcher and the workers."""
    simulate_site(folder / "film", SiteOptions(seed=77, cameras=2, people=8, seconds=120, fps=10))
    server = stack.enter_context(RtspServer(folder / "film" / "gate.mp4"))
    path = folder / "site.yaml"
    cameras = {name: {"source": server.url(), "fps": fps} for name in CAMERAS}
    path.write_text(json.dumps({"site": "bench", "cameras": cameras}))
    site = load_site(path)
    redis_server = EmbeddedServer(site)
    redis_server.start()
    stack.callback(redis_server.stop)
    started = [run(folder, stack, "matcher", str(path))]
    started += [run(folder, stack, "worker", str(path), "--camera", name) for name in CAMERAS]
    workers = [psutil.Process(process.pid) for process in started[1:]]
    return Bench(site, workers, stack.enter_context(connect(site)))


def run(folder: Path, stack: ExitStack, *arguments: str) -> subprocess.Popen[bytes]:
    """A command of camtrail, until the stack is left."""
    log = stack.enter_context((folder / "log").open("ab"))
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def judge(alone: list[Turn], watched: list[Turn]) -> dict[str, float]:
    """All turns of a kind together."""

    def cost(turns: list[Turn]) -> float:
        return 1000 * sum(t.seconds for t in turns) / sum(t.frames for t in turns)

    return {
        "alone_ms": cost(alone),
        "watched_ms": cost(watched),
        "more_percent": 100 * (cost(watched) / cost(alone) - 1),
        "sent_alone": sum(t.sent for t in alone),
        "sent_watched": sum(t.sent for t in watched),
        "frames_watched": sum(t.frames for t in watched),
        "turns": len(alone),
    }


if __name__ == "__main__":
    main()
