"""Memory of a worker and of the matcher over a run ten times as long as the demo.

``python -m tests.benchmarks.memory --json``

The worker reads a simulated minute ten times over, as one file of ten minutes, and a matcher
takes what it finds. Another matcher takes ten minutes of three cameras in which people walk in and
out; there the networks are left out, which it never sees. Worker and matcher are the real programs.
Printed is their resident memory (MiB) when 10 %, 50 % and all of the work was done; the first of
these is when everything is loaded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import redis
import yaml

from pipeline.bus import EmbeddedServer, Keys, Publisher, connect
from pipeline.config import DEMO_ENCODER, Site, load_site
from pipeline.records import Progress
from pipeline.simulate import SiteOptions, simulate_site
from reid_models import load_encoder
from tests.pipeline.matcher.synthetic import Script, scripts

MINUTES = 10
MARKS = (0.1, 0.5, 1.0)
CAMERA = "gate"
FPS = 10

Share = Callable[[], float]  # of the work that is done, in [0, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {}
    for part in (crowd, film):
        with tempfile.TemporaryDirectory() as folder:
            for name, sizes in part(Path(folder)).items():
                result[name] = sizes
                figures = "   ".join(f"{mark}: {size:6.1f}" for mark, size in sizes.items())
                if not options.json:
                    print(f"{name:22} MiB at  {figures}", flush=True)
    if options.json:
        print(json.dumps(result))


def film(folder: Path) -> dict[str, dict[str, float]]:
    """A worker on ten minutes of H.264, and its matcher."""
    simulate_site(folder, SiteOptions(seed=77, cameras=2, people=8, seconds=60, fps=FPS))
    repeat(folder / f"{CAMERA}.mp4", folder / "long.mp4", MINUTES)
    path = _write_site(folder / "long.yaml", {CAMERA: str(folder / "long.mp4")})
    site = load_site(path)
    with ExitStack() as stack:
        client = _redis(site, stack)
        frames, keys = MINUTES * 60 * FPS, Keys(site.site)

        def read() -> float:
            return int(client.hget(keys.health(CAMERA), "frames") or 0) / frames

        matcher = _start(stack, folder, "matcher", str(path), "--until-end")
        worker = _start(stack, folder, "worker", str(path), "--camera", CAMERA)
        return _watch({"worker": worker, "its matcher": matcher}, read)


def crowd(folder: Path) -> dict[str, dict[str, float]]:
    """A matcher on what three cameras say in ten minutes."""
    written = scripts(3, persons=40, seconds=60.0 * MINUTES)
    path = _write_site(folder / "site.yaml", {s.camera: f"{s.camera}.mp4" for s in written})
    site = load_site(path)
    encoder = load_encoder(DEMO_ENCODER, device="cpu")
    with ExitStack() as stack:
        client = _redis(site, stack)
        updates = sum(_publish(site, s, encoder.fingerprint, stack) for s in written)

        def committed() -> float:
            return int(client.hget(Keys(site.site).matcher, "committed") or 0) / updates

        matcher = _start(stack, folder, "matcher", str(path), "--until-end")
        return _watch({"matcher of 3 cameras": matcher}, committed)


def repeat(source: Path, target: Path, times: int) -> None:
    """Writes a video that shows ``source`` several times, without coding it anew."""
    with av.open(str(target), "w") as output:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(source)) as video:
                original = video.streams.video[0]
                stream = stream or output.add_stream_from_template(original)
                for packet in video.demux(original):
                    if packet.dts is None:  # the end
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    output.mux(packet)
                step = Fraction(original.frames) / original.average_rate
                shift += round(step / original.time_base)


def _publish(site: Site, script: Script, fingerprint: str, stack: ExitStack) -> int:
    """Puts all that a camera says; how many updates that is."""
    dimension = load_encoder(site.encoder.path, device="cpu").dimension
    publisher = stack.enter_context(Publisher(site, script.camera))
    script.run, script.fingerprint = publisher.run, fingerprint
    group, updates = [], 0
    for message in script.envelopes():
        body = message.body
        if not isinstance(body, Progress):
            updates += 1
            assert body.embedding is not None
            missing = dimension - len(body.embedding)
            body = replace(body, embedding=np.pad(body.embedding, (0, missing)))
        group.append(body)
        if isinstance(body, Progress):
            publisher.put(group)
            group = []
    return updates


def _write_site(path: Path, cameras: Mapping[str, str]) -> Path:
    start = "2026-01-05T08:00:00Z"
    site = {
        "site": "memory",
        "data_dir": str(path.parent / "data"),
        "cameras": {name: {"source": source, "start": start} for name, source in cameras.items()},
    }
    path.write_text(yaml.safe_dump(site))
    return path


def _redis(site: Site, stack: ExitStack) -> redis.Redis:
    server = EmbeddedServer(site)
    server.start()
    stack.callback(server.stop)
    client = connect(site)
    stack.callback(client.close)
    return client


def _start(stack: ExitStack, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    log = stack.enter_context((folder / f"{arguments[0]}.log").open("wb"))
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _watch(
    processes: Mapping[str, subprocess.Popen[bytes]], share: Share
) -> dict[str, dict[str, float]]:
    """Resident memory in MiB of each when so much was done, and the most after the first mark."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in processes}
    while any(process.poll() is None for process in processes.values()):
        done = share()
        for name, process in processes.items():
            if process.poll() is None and (size := _resident(process.pid)):
                seen[name].append((done, size))
        time.sleep(0.1)
    failed = [name for name, process in processes.items() if process.returncode]
    assert not failed, f"{failed} failed"
    sizes = {}
    for name, points in seen.items():
        at = {
            f"{mark:.0%}": next((s for d, s in points if d >= mark), points[-1][1])
            for mark in MARKS
        }
        sizes[name] = {**at, "most": max(s for d, s in points if d >= MARKS[0])}
    return {name: {k: round(v, 1) for k, v in values.items()} for name, values in sizes.items()}


def _resident(pid: int) -> float:
    try:
        return psutil.Process(pid).memory_info().rss / 2**20
    except psutil.NoSuchProcess:
        return 0.0


if __name__ == "__main__":
    main()
