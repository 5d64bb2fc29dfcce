"""A real Prometheus scrapes a real site while its parts are killed, stopped and filled."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.bus import Publisher
from pipeline.config import load_site
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.telemetry.answer import answering
from tests.deploy.test_monitoring import RULES
from tests.pipeline.bus.samples import progress, update
from tests.pipeline.camera.rtsp import RtspServer, need_gstreamer
from tests.pipeline.telemetry.test_run import said
from tests.ports import free_port

FASTER = 20  # times as fast as the rules' own minutes
LONG = 240.0  # seconds that are waited for what takes some
DISK_BYTES = 2_200_000_000  # a little more than what counts as nearly full
FILL_BYTES = 300_000_000

pytestmark = [pytest.mark.slow, pytest.mark.rtsp, pytest.mark.timeout(1500)]


def hurried(rules: str) -> str:
    """The rules with all their times so many times shorter."""
    seconds = {"s": 1, "m": 60, "h": 3600}

    def shorter(found: re.Match[str]) -> str:
        milliseconds = int(found[2]) * seconds[found[3]] * 1000 // FASTER
        return f"{found[1]}{milliseconds}ms{found[4]}"

    return re.sub(r"(for: |\[)(\d+)([smh])(\]|$)", shorter, rules, flags=re.MULTILINE)


class Prometheus:
    """The server, on loopback."""

    def __init__(self, folder: Path, target: str) -> None:
        self._address = f"http://127.0.0.1:{free_port()}"
        (folder / "rules.yaml").write_text(hurried(RULES.read_text()))
        settings = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
            },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {
                    "job_name": "camtrail",
                    "scrape_interval": "5s",
                    "scrape_timeout": "5s",
                    "static_configs": [{"targets": [target]}],
                }
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={self._address.removeprefix('http://')}",
        ]
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._address}/api/v1/{path}", timeout=20) as answer:
            return json.load(answer)["data"]

    def value(self, expression: str) -> list[float]:
        found = self.ask(f"query?{urllib.parse.urlencode({'query': expression})}")["result"]
        return [float(sample["value"][1]) for sample in found]

    def firing(self) -> set[tuple[str, str]]:
        """The names of the alerts that fire, each with whom it is about."""
        return {
            (a["labels"]["alertname"], a["labels"].get("camera") or a["labels"].get("process", ""))
            for a in self.ask("alerts")["alerts"]
            if a["state"] == "firing"
        }

    def reachable(self) -> bool:
        try:
            self.ask("alerts")
        except OSError:
            return False
        return True


def until(condition: Callable[[], Any], seconds: float = LONG) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@contextmanager
def disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of its own under ``folder``."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to mount a disk, as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def write_site(folder: Path, source: str) -> Path:
    """One camera that is a stream, and one of which the test itself publishes."""
    simulated = folder / "site.yaml"
    text = {
        "site": "yard",
        "data_dir": str(folder / "disk" / "data"),
        "cameras": {"gate": {"source": source, "fps": 2, "read_timeout": 2, "open_timeout": 2}},
        "viewer": {"enabled": False},
        "telemetry": {"metrics": "127.0.0.1:0"},
    }
    simulated.write_text(yaml.safe_dump(text))
    text["cameras"]["lobby"] = {"source": "lobby.mp4"}  # type: ignore[index]
    (folder / "both.yaml").write_text(yaml.safe_dump(text))
    return simulated


def test_alerts_fire_on_real_faults_and_end_with_them(tmp_path: Path) -> None:
    need_gstreamer()
    if not shutil.which("prometheus"):
        pytest.skip("needs prometheus (a Debian package)")
    simulate_site(tmp_path / "film", SiteOptions(seed=5, cameras=1, people=4, seconds=20))
    with ExitStack() as stack:
        camera = stack.enter_context(RtspServer(next((tmp_path / "film").glob("*.mp4"))))
        stack.enter_context(disk(tmp_path / "disk", DISK_BYTES))
        path = write_site(tmp_path, camera.url())
        log = tmp_path / "run.log"
        command = [sys.executable, "-m", "pipeline.cli", "run", str(path), "--json-logs"]
        with log.open("wb") as file:
            run = subprocess.Popen(command, stdout=file, stderr=file)
        stack.callback(run.wait)
        stack.callback(run.terminate)
        until(lambda: said(log, "metrics are served"))
        target = said(log, "metrics are served")["address"].split("/")[2]
        prometheus = Prometheus(tmp_path, target)
        stack.callback(prometheus.process.wait)
        stack.callback(prometheus.process.terminate)
        until(prometheus.reachable)

        until(lambda: prometheus.value("camtrail_camera_connected") == [1.0])
        until(lambda: prometheus.value("camtrail_matcher_active") == [1.0])
        until(lambda: not prometheus.firing())

        camera.kill()
        until(lambda: ("CamtrailCameraAway", "gate") in prometheus.firing())
        camera.start()
        until(lambda: not prometheus.firing())

        matcher = int(said(log, "started", process="matcher")["pid"])
        os.kill(matcher, signal.SIGSTOP)
        site = load_site(tmp_path / "both.yaml")
        with answering(site.data_dir, "worker-lobby"), Publisher(site, "lobby") as publisher:
            for seq in range(1, 201):
                seen = update(publisher.run, seq=seq, camera="lobby")
                publisher.put([seen, progress(publisher.run, seq, camera="lobby")])
            wanted = {
                ("CamtrailProcessDown", "matcher"),
                ("CamtrailNoMatcher", ""),
                ("CamtrailSpoolGrows", "lobby"),
            }
            until(lambda: wanted <= prometheus.firing())
            os.kill(matcher, signal.SIGCONT)
            assert publisher.wait_committed(LONG)
        until(lambda: not prometheus.firing() & wanted)

        redis = int(said(log, "started", process="redis")["pid"])
        os.kill(redis, signal.SIGSTOP)
        away = {("CamtrailRedisAway", "worker-gate"), ("CamtrailRedisAway", "matcher")}
        until(lambda: away <= prometheus.firing())
        os.kill(redis, signal.SIGCONT)
        until(lambda: not prometheus.firing() & away)

        full = tmp_path / "disk" / "full"
        full.write_bytes(bytes(FILL_BYTES))
        until(lambda: ("CamtrailDiskNearlyFull", "") in prometheus.firing())
        full.unlink()
        until(lambda: ("CamtrailDiskNearlyFull", "") not in prometheus.firing())


def test_the_times_of_all_rules_are_shortened() -> None:
    text = hurried(RULES.read_text())
    assert len(re.findall(r"\d+ms", text)) == len(re.findall(r"for: \d|\[\d", RULES.read_text()))
    assert "for: 3000ms" in text
    assert "[15000ms]" in text
