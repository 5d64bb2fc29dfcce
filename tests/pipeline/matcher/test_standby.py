"""A second matcher that waits, as real processes: the first is killed, or hangs and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import yaml

from pipeline.bus import EmbeddedServer, Keys, connect
from pipeline.config import Site
from pipeline.store import Store
from tests.pipeline.matcher.test_service import PATIENCE, Cameras, stored, until

SLOW_START = 200.0  # seconds in which a busy machine starts two processes


class Host:
    """A machine with a matcher in standby: it has its own data directory, and shares store and
    Redis.
    """

    def __init__(self, site: Site, folder: Path, stack: ExitStack) -> None:
        folder.mkdir(exist_ok=True)
        file = folder / "site.yaml"
        text = {
            "site": site.site,
            "data_dir": str(folder),
            "store": site.store_url,
            "redis": f"unix://{site.redis_socket}",
            "encoder": {"path": str(site.encoder.path)},
            "cameras": {name: {"source": f"{name}.mp4"} for name in site.cameras},
        }
        file.write_text(yaml.safe_dump(text))
        self._log = folder / "matcher.log"
        command = [sys.executable, "-m", "pipeline.cli", "matcher", str(file)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--until-end", "--standby"], stdout=log, stderr=log
            )
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)

    @property
    def said(self) -> str:
        return self._log.read_text()


def active(site: Site) -> int:
    """The process id of the matcher that decides; 0 before the first."""
    with connect(site) as client:
        return int(client.hget(Keys(site.site).matcher, "pid") or 0)


def all_there(site: Site, cameras: Cameras) -> None:
    assert stored(site) == cameras.expected()
    with Store.open(site.store_url, read_only=True) as store:
        counts = store.counts()
    assert (counts.updates, counts.missing, counts.duplicates) == (cameras.updates, 0, 0)


def test_another_goes_on_where_the_first_was_killed(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    """Both work on one data directory, as with ``matcher.standby``."""
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        hosts = {h.process.pid: h for h in (Host(site, site.data_dir, stack) for _ in "12")}
        until(lambda: active(site) in hosts, SLOW_START)
        first = hosts.pop(active(site))
        for camera in site.cameras:
            cameras.put(camera, 10)
        assert cameras.all_committed()
        for camera in site.cameras:
            cameras.put(camera, 5)  # it may or may not get at these
        first.process.kill()
        assert cameras.all_committed()
        assert active(site) in hosts
        for camera in site.cameras:
            cameras.put(camera)
        second = hosts.popitem()[1]
        assert second.process.wait(PATIENCE) == 0
        all_there(site, cameras)


def test_one_that_hung_finds_that_another_has_taken_over(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        first = Host(site, tmp_path / "one", stack)
        until(lambda: active(site) == first.process.pid, SLOW_START)
        second = Host(site, tmp_path / "other", stack)
        for camera in site.cameras:
            cameras.put(camera, 10)
        assert cameras.all_committed()
        os.kill(first.process.pid, signal.SIGSTOP)
        for camera in site.cameras:
            cameras.put(camera, 5)
        assert cameras.all_committed()
        assert active(site) == second.process.pid
        os.kill(first.process.pid, signal.SIGCONT)
        assert first.process.wait(PATIENCE) == 2
        assert "another matcher has taken over this site" in first.said
        for camera in site.cameras:
            cameras.put(camera)
        assert second.process.wait(PATIENCE) == 0
        all_there(site, cameras)
