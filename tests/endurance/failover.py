"""Failover by Sentinel under load, with replication paused before the primary is killed.

``python -m tests.endurance.failover --minutes 10 --cameras 8 --people 40 --rate 4 --json``

The real matcher and the real publishers of cameras without pictures, on a Redis under three
Sentinels that hold a server for dead after 0.5 s. Each round the replica is cut off from the
primary for one to three seconds, in every second round the matcher is stopped meanwhile, so that
what is acknowledged but not yet read vanishes too; then the primary is killed. The pause is the
time from the kill until the store has, of every camera, what was published after it.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.bus import Keys
from pipeline.config import Site, load_site
from tests.endurance.load import Cameras, publish
from tests.endurance.table import show, spread
from tests.endurance.verdict import judge
from tests.endurance.world import folder_for
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.bus.servers import Watched
from tests.pipeline.spools import SpoolReader

_SECONDS = 600.0  # much: the machine may be busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--rate", type=float, default=4, help="seconds of the site in a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps everything here")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with folder_for("failover", given.folder) as folder, Watched(folder / "redis") as redis:
        path = write_site(folder, given.cameras, redis.url)
        result = failovers(path, redis, given.people, given.rate, given.seed, given.minutes)
    show(result, given.json)


def write_site(folder: Path, cameras: int, redis: str) -> Path:
    """Of cameras that no worker reads."""
    names = "".join(f"  camera{n:02}: {{source: none.mp4}}\n" for n in range(cameras))
    path = folder / "site.yaml"
    path.write_text(f"site: load\ndata_dir: data\nredis: {redis}\ncameras:\n{names}")
    return path


def start_matcher(path: Path, *prefix: str) -> subprocess.Popen[bytes]:
    """The real one, until all cameras have ended."""
    command = [*prefix, sys.executable, "-m", "pipeline.cli", "matcher", str(path), "--until-end"]
    with path.with_name("matcher.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def failovers(
    path: Path, redis: Watched, people: int, rate: float, seed: int, minutes: float
) -> dict[str, Any]:
    """Runs it; see the module."""
    site, rng, stop = load_site(path), random.Random(seed), threading.Event()
    matcher = start_matcher(path)
    reader, cameras = SpoolReader(site), Cameras(site)
    load = threading.Thread(target=publish, args=(site, people, rate, seed, stop, cameras))
    reader.start()
    load.start()
    began, pauses, vanished = time.monotonic(), [], 0
    try:
        assert wait_for(lambda: _stored_since(site, cameras, {}), _SECONDS), "it never began"
        while time.monotonic() < began + 60 * minutes or not pauses:
            pause, lost = _one_round(site, redis, cameras, matcher, rng, len(pauses) % 2 == 1)
            pauses.append(pause)
            vanished += lost
        took = time.monotonic() - began
        stop.set()
        load.join()
        assert cameras.wait_committed(_SECONDS), "something was never committed"
        assert matcher.wait(_SECONDS) == 0
    finally:
        stop.set()
        matcher.kill()
        load.join()
        cameras.close()
    return {
        "minutes": round(took / 60, 1),
        "failovers": len(pauses),
        "acknowledged messages that vanished": vanished,
        **{f"pause, {name} (s)": value for name, value in spread(pauses).items()},
        **judge(site, reader.finish()),
    }


def _one_round(
    site: Site,
    redis: Watched,
    cameras: Cameras,
    matcher: subprocess.Popen[bytes],
    rng: random.Random,
    stopped: bool,
) -> tuple[float, int]:
    """The pause, and how many entries of the stream the new primary lacked."""
    stream = Keys(site.site).tracklets
    redis.pause_replication()
    if stopped:
        matcher.send_signal(signal.SIGSTOP)
    time.sleep(rng.uniform(1.0, 3.0))
    before = redis.primary().command("XINFO", "STREAM", stream)
    died = time.monotonic()
    since = {name: p.stats.published for name, p in cameras.publishers.items()}
    dead = redis.fail_over()
    after = redis.primary().command("XINFO", "STREAM", stream)
    matcher.send_signal(signal.SIGCONT)
    assert wait_for(lambda: _stored_since(site, cameras, since), _SECONDS), "it never went on"
    pause = time.monotonic() - died
    dead.start()
    assert wait_for(redis.whole, _SECONDS)
    return pause, max(0, _added(before) - _added(after))


def _stored_since(site: Site, cameras: Cameras, since: dict[str, int]) -> bool:
    """Whether the store has of every camera a message beyond that number."""
    try:
        uri = f"file:{site.data_dir / 'camtrail.sqlite'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
            stored = dict(database.execute("SELECT run, number FROM runs").fetchall())
    except sqlite3.Error:
        return False
    return all(
        stored.get(publisher.run, 0) > since.get(name, 0)
        for name, publisher in cameras.publishers.items()
    )


def _added(stream: list[Any]) -> int:
    """How many entries it ever had, as ``XINFO STREAM`` says it."""
    return int(dict(zip(stream[::2], stream[1::2], strict=True))[b"entries-added"])


if __name__ == "__main__":
    main()
