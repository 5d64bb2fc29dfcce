"""``kill -9`` of the workers, the matcher and Redis, again and again, at random moments.

What was published is read from the workers' spools while they run, by a reader of the test's own;
afterwards the store must have exactly that.
"""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from pipeline.bus import EmbeddedServer, Keys, connect, last_numbers
from pipeline.config import Site
from pipeline.store import Store
from tests.pipeline.live import small_site, stored_updates
from tests.pipeline.spools import SpoolReader


class Programs:
    """The real programs; each is started again as soon as it is killed."""

    def __init__(self, path: Path, site: Site, rng: random.Random) -> None:
        self.site = site
        self.path = path
        self.rng = rng
        self.redis = EmbeddedServer(site)
        self.redis.start()
        self.enough: dict[str, int] = {}  # messages of a camera from which on it may be killed
        self.children = {name: self.start(name) for name in ("matcher", *site.cameras)}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        if name != "matcher":
            self.enough[name] = self.published(name) + self.rng.randint(1, 40)
        role = ["matcher"] if name == "matcher" else ["worker", "--camera", name]
        with (self.site.data_dir / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "pipeline.cli", *role, str(self.path)]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def published(self, camera: str) -> int:
        return sum(last_numbers(self.site, camera).values())

    def at_work(self, name: str) -> bool:
        """Whether this one has done something since it was last started, a worker a random lot."""
        if name == "redis":
            return True
        child = self.children[name]
        assert child.poll() is None, f"{name} ended with {child.poll()}: the videos are too short"
        if name != "matcher":
            return self.published(name) >= self.enough[name]
        try:
            health = connect(self.site).hgetall(Keys(self.site.site).matcher)
        except redis.RedisError:
            return False
        ours = health.get(b"pid") == str(child.pid).encode()
        idle = all(self.children[camera].poll() is not None for camera in self.site.cameras)
        return ours and (idle or int(health.get(b"committed", 0)) > 0)

    def kill(self, name: str) -> None:
        if name == "redis":
            assert self.redis.pid is not None
            os.kill(self.redis.pid, signal.SIGKILL)
            while self.redis.alive:
                time.sleep(0.005)
            self.redis.start()
            return
        child = self.children[name]
        child.kill()
        child.wait()
        self.children[name] = self.start(name)

    def stop(self) -> None:
        for child in self.children.values():
            child.kill()
            child.wait()
        self.redis.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_published_update_is_stored_exactly_once_after_ten_kills_of_each(
    tmp_path: Path,
) -> None:
    each, seconds = 10, 200
    path, site = small_site(tmp_path, seconds)
    rng = random.Random(7)
    # As a rule at work; one time in five at whatever it does, which may be just starting.
    share = math.ceil(each / len(site.cameras))
    kills = {"matcher": each, "redis": each, **dict.fromkeys(site.cameras, share)}
    left = {
        name: rng.sample([n < 0.8 * count for n in range(count)], count)
        for name, count in kills.items()
    }
    programs = Programs(path, site, rng)
    reader = SpoolReader(site)
    reader.start()
    try:
        while any(left.values()):
            names = [name for name, moments in left.items() if moments]
            ready = [name for name in names if not left[name][-1] or programs.at_work(name)]
            if ready:
                name = rng.choice(ready)
                programs.kill(name)
                left[name].pop()
            time.sleep(rng.uniform(0.0, 0.7))  # the random moment is what is tested
        for camera in site.cameras:
            assert programs.children[camera].wait(240) == 0
    finally:
        programs.stop()
    published = reader.finish()
    stored = stored_updates(site)
    assert len(published) > 20
    assert len(stored) == len(set(stored))
    assert set(stored) == published
    store = Store.open(site.store_url, read_only=True)
    counts = store.counts()
    assert (counts.duplicates, counts.missing) == (0, 0)
    for record in store.cameras():
        numbers = last_numbers(site, record.camera)
        assert len(numbers) > share / 2  # it was killed at work
        assert record.frames == seconds * 10  # no frame was left out, none was read twice
        assert record.dropped == 0
