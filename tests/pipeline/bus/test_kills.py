"""The bus between real processes that are killed at random moments, ten times each."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.bus import EmbeddedServer, last_numbers
from tests.pipeline.bus import peers
from tests.pipeline.bus.samples import wait_for

KILLS = 10
ITEMS = 4000


class Victims:
    """The processes, by name; each is started again as soon as it is killed."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.server = EmbeddedServer(peers.site(data_dir))
        self.server.start()
        self.store = peers.open_store(data_dir)
        self.done_before: dict[str, int] = {}
        self.processes = {name: self.start(name) for name in ("matcher", *peers.CAMERAS)}

    def done(self, name: str) -> int:
        """How much this one has done, over all its lives."""
        if name == "matcher":
            return int(self.store.execute("SELECT COUNT(*) FROM messages").fetchone()[0])
        return sum(last_numbers(peers.site(self.data_dir), name).values())

    def at_work(self, name: str) -> bool:
        """Whether it has done something since it was last started, or has nothing to do."""
        if name == "redis" or self.processes[name].poll() is not None:
            return True
        ended = all(self.processes[camera].poll() is not None for camera in peers.CAMERAS)
        return ended or self.done(name) > self.done_before[name]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        role = ["matcher"] if name == "matcher" else ["worker"]
        rest = [] if name == "matcher" else [name, str(ITEMS)]
        module = [sys.executable, "-m", "tests.pipeline.bus.peers"]
        self.done_before[name] = self.done(name)
        return subprocess.Popen([*module, *role, str(self.data_dir), *rest])

    def kill(self, name: str, rng: random.Random) -> None:
        if name != "redis":
            process = self.processes[name]
            process.kill()
            process.wait()
            self.processes[name] = self.start(name)
            return
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)
        while self.server.alive:
            time.sleep(0.005)
        if rng.random() < 0.7:  # as after a loss of power: the end of its file is not there
            for path in (self.data_dir / "redis" / "appendonlydir").glob("*.incr.aof"):
                os.truncate(path, int(path.stat().st_size * rng.uniform(0.2, 1)))
        self.server.start()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.server.stop()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1])
def test_every_item_is_stored_exactly_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    victims = Victims(tmp_path)
    try:
        order = [*peers.CAMERAS * (KILLS // 2), *["matcher", "redis"] * KILLS]
        rng.shuffle(order)
        for name in order:
            if rng.random() < 0.8:  # else at whatever it does, which may be just starting
                assert wait_for(lambda name=name: victims.at_work(name), 120)
            time.sleep(rng.uniform(0.0, 0.4))  # the random moment is what is tested
            victims.kill(name, rng)
        for camera in peers.CAMERAS:
            assert victims.processes[camera].wait(180) == 0
    finally:
        victims.stop()
    rows = peers.open_store(tmp_path).execute("SELECT camera, run, number, item FROM messages")
    stored = rows.fetchall()
    for camera in peers.CAMERAS:
        items = sorted(row[3] for row in stored if row[0] == camera and row[3] is not None)
        assert items == list(range(1, ITEMS + 1))
        published = last_numbers(peers.site(tmp_path), camera)
        assert len(published) > 1  # it was killed while it was at work
        for run, last in published.items():
            numbers = sorted(row[2] for row in stored if row[:2] == (camera, run))
            assert numbers == list(range(1, last + 1))
        assert sum(published.values()) == sum(row[0] == camera for row in stored)
