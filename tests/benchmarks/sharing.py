"""Frames a second of all cameras together: each with its own networks, or sharing one process.

``python -m tests.benchmarks.sharing --cameras 8 --json``

Real workers read simulated files, and somebody commits what they publish. The time runs from when
every camera has given its first second of frames to when all are at their ends, so that loading is
not in it. Both ways run in turn, and the best of each counts. Memory is what the processes have for
themselves and their share of what they have in common (PSS), at most.

A busy neighbour, even a niced one, takes more from the few threads of one process than from those
of many. Then the two ways had not as many cores, and only their processor time a frame compares.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import yaml

from pipeline.bus import EmbeddedServer
from pipeline.config import load_site
from pipeline.records import CameraState
from pipeline.simulate import SiteOptions, simulate_site
from tests.pipeline.camera.peers import Committer


class Run(NamedTuple):
    """What one way gave.

    Attributes:
        fps: frames a second of all cameras.
        processor_ms: of processor time for a frame, of all processes.
        cores: that they had, on average.
        megabytes: of memory.
    """

    fps: float
    processor_ms: float
    cores: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30, help="length of each video")
    parser.add_argument("--image-size", type=int, default=640)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = Path(folder) / "videos"
        site = SiteOptions(seed=77, cameras=options.cameras, people=12, seconds=options.seconds)
        simulate_site(videos, site)
        runs: dict[str, list[Run]] = {"own": [], "shared": []}
        for number in range(options.rounds):
            for way, results in runs.items():
                data = Path(folder) / f"{way}-{number}"
                results.append(run(write(videos, data, way, options)))
                print(f"{way}: {described(results[-1])}", file=sys.stderr)
    own, shared = (max(results) for results in runs.values())
    ratio = shared.fps / own.fps
    if options.json:
        ways = {"own": own, "shared": shared}
        result = {f"{way}_{k}": v for way, best in ways.items() for k, v in best._asdict().items()}
        print(json.dumps({"cameras": options.cameras, **result, "ratio": ratio}))
    else:
        print(f"{options.cameras} cameras: ratio {ratio:.2f}")
        print(f"own {described(own)}\nshared {described(shared)}")


def described(run: Run) -> str:
    return (
        f"{run.fps:.1f} frames/s, {run.processor_ms:.1f} ms of processor time each on "
        f"{run.cores:.2f} cores, {run.megabytes:.0f} MB"
    )


def write(videos: Path, data: Path, way: str, options: argparse.Namespace) -> Path:
    """A site.yaml over the videos with a data directory of its own."""
    path = videos / f"{data.name}.yaml"
    content = yaml.safe_load((videos / "site.yaml").read_text())
    detector = {"image_size": options.image_size, "device": options.device}
    encoder = {"device": options.device}
    content |= {"data_dir": str(data), "inference": way, "detector": detector, "encoder": encoder}
    path.write_text(yaml.safe_dump(content))
    return path


def run(path: Path) -> Run:
    site = load_site(path)
    server = EmbeddedServer(site)
    server.start()
    roles = [["worker", "--camera", name] for name in site.cameras]
    roles += [["inference"]] if site.inference == "shared" else []
    try:
        with Committer(site) as committer, programs(path, roles, site.data_dir) as children:

            def frames() -> dict[str, int]:
                return {name: committer.progress(name)[-1].frames for name in site.cameras}

            def all_have(state: CameraState) -> bool:
                said = [committer.progress(name) for name in site.cameras]
                return all(any(p.state is state for p in progress) for progress in said)

            wait(lambda: all_have(CameraState.RUNNING), children)
            began, before = time.perf_counter(), sum(frames().values())
            memory = sum(pss(child) for child in children)
            first = processor_seconds(children)
            used = dict(first)

            def all_ended() -> bool:
                used.update(processor_seconds(children))
                return all_have(CameraState.ENDED)

            wait(all_ended, children)
            seconds, given = time.perf_counter() - began, sum(frames().values()) - before
            processor = sum(used.values()) - sum(first.values())
            return Run(given / seconds, 1e3 * processor / given, processor / seconds, memory / 1e6)
    finally:
        server.stop()


def processor_seconds(children: Sequence[subprocess.Popen[bytes]]) -> dict[int, float]:
    """What each has used so far, by its process id; those that are gone are left out."""
    used = {}
    for child in children:
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(child.pid).cpu_times()
            used[child.pid] = times.user + times.system
    return used


def pss(child: subprocess.Popen[bytes]) -> int:
    try:
        return int(psutil.Process(child.pid).memory_full_info().pss)
    except psutil.NoSuchProcess:  # at its end
        return 0


def wait(condition: Callable[[], bool], children: Sequence[subprocess.Popen[bytes]]) -> None:
    while not condition():
        for child in children:
            if child.poll() not in (None, 0):
                raise SystemExit(f"{child.args} ended with {child.returncode}")
        time.sleep(0.02)


@contextmanager
def programs(
    path: Path, roles: Sequence[Sequence[str]], folder: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    with (folder / "log").open("wb") as log:
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", *role, str(path)], stdout=log, stderr=log
            )
            for role in roles
        ]
        try:
            yield children
        finally:
            for child in children:
                child.kill()
                child.wait()


if __name__ == "__main__":
    main()
