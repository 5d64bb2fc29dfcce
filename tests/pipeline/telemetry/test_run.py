"""The metrics of `camtrail run` with the real programs, beside what the store says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.metrics import describe
from pipeline.records import CameraState
from pipeline.store import Store
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.live import small_site
from tests.pipeline.telemetry.scraped import Scrape, fetch, wait_scraped

SECONDS = 6
LONG = 150.0  # seconds that are waited for what takes a few, on a busy machine
SECRET = "hunter2-of-nobody"


def said(log: Path, event: str, **more: str) -> dict[str, str]:
    """The first line of the log that says this."""
    for line in log.read_text().splitlines():
        found: dict[str, str] = json.loads(line) if line.startswith("{") else {}
        if {"event": event, **more}.items() <= found.items():
            return found
    return {}


class Scraped(NamedTuple):
    """``working`` is what was said while the matcher was stopped: so the workers had read their
    files, and had to wait. ``done`` is what was said later, when all was decided.
    """

    path: Path
    working: str
    done: str


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    folder = tmp_path_factory.mktemp("site")
    path, site = small_site(folder, SECONDS, cameras=1)
    secret = f'{{source: "rtsp://viewer:{SECRET}@127.0.0.1:9/none", open_timeout: 2}}'
    text = path.read_text().replace("cameras:\n", f"cameras:\n  away: {secret}\n")
    path.write_text(f"{text}\ntelemetry: {{metrics: '127.0.0.1:0', log_level: debug}}\n")
    frames = len(site.cameras) * SECONDS * 10
    log = folder / "run.log"
    command = [sys.executable, "-m", "pipeline.cli", "run", path, "--json-logs", "--no-viewer"]
    with log.open("wb") as file:
        run = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        assert wait_for(lambda: said(log, "metrics are served"), LONG)
        address = said(log, "metrics are served")["address"]
        up = "process_up"  # which it is before it has loaded all that it needs
        assert wait_scraped(address, lambda now: now.sum(up, process="matcher") == 1, LONG)
        matcher = int(said(log, "started", process="matcher")["pid"])
        os.kill(matcher, signal.SIGSTOP)
        seen = "camera_frames_seen_total"
        assert wait_scraped(address, lambda now: now.sum(seen) == frames, LONG)
        working = fetch(address)
        os.kill(matcher, signal.SIGCONT)
        # The end of the files comes after all else in them.
        assert wait_for(lambda: ended(site), LONG)
        decided = "matcher_undecided"
        assert wait_scraped(address, lambda now: now.all(decided) == [0.0], LONG)
        done = fetch(address)
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.wait(LONG) == 0
    return Scraped(path, working, done)


def ended(site: Site) -> bool:
    try:
        cameras = Store.open(site.store_url, read_only=True).cameras()
    except CamtrailError:  # it is not made yet
        return False
    return sum(camera.state is CameraState.ENDED for camera in cameras) == len(site.cameras)


def test_what_is_counted_is_what_is_stored(scraped: Scraped) -> None:
    site, found, later = load_site(scraped.path), Scrape(scraped.working), Scrape(scraped.done)
    store = Store.open(site.store_url, read_only=True)
    counts, records = store.counts(), {r.camera: r for r in store.cameras()}
    files = [camera for camera in site.cameras if camera != "away"]
    for camera in files:
        assert found.sum("camera_frames_received_total", camera=camera) == SECONDS * 10
        assert found.sum("camera_frames_decoded_total", camera=camera) == SECONDS * 10
        assert records[camera].frames == SECONDS * 10
        for name in ("bus_messages_published_total", "bus_messages_sent_total"):
            assert found.sum(name, camera=camera, process=f"worker-{camera}") > SECONDS
    assert found.sum("camera_frames_dropped_total") == 0
    assert later.sum("camera_frames_decoded_total") == len(files) * SECONDS * 10  # they have ended
    assert later.sum("matcher_updates_committed_total") == counts.updates
    assert later.sum("matcher_identities") == counts.identities
    new = later.sum("matcher_decisions_total", kind="new")
    assert new >= counts.identities
    assert found.sum("camera_detections_total") > found.sum("camera_crops_embedded_total") > 0
    assert found.sum("network_seconds_count", network="detector") >= len(files) * SECONDS * 10
    assert found.all("camera_connected", camera="away") == [0.0]
    (fingerprint,) = {
        dict(series.labels)["fingerprint"] for series in found.samples if "encoder" in series.name
    }
    assert fingerprint


def test_every_process_answers_and_every_sample_says_whose_it_is(
    scraped: Scraped,
) -> None:
    site, found = load_site(scraped.path), Scrape(scraped.working)
    names = {"run", "matcher", *(f"worker-{camera}" for camera in site.cameras)}
    names |= {f"recorder-{camera}" for camera in site.recorded}
    up = {dict(s.labels)["process"]: v for s, v in found.samples.items() if s.name == "process_up"}
    assert up == {name: float(name != "matcher") for name in names}  # it was stopped
    names.remove("matcher")
    for series in found.samples:
        labels = dict(series.labels)
        assert labels["site"] == site.site
        assert series.name.startswith("disk_") or labels["process"] in {"matcher", *names}
    for name in names:
        assert found.sum("process_resident_memory_bytes", process=name) > 2**24
    assert 0 < found.sum("disk_free_bytes") <= found.sum("disk_size_bytes")
    later = Scrape(scraped.done)
    assert later.all("redis_connected", role="matcher") == [1.0]
    assert later.all("process_up", process="matcher") == [1.0]


def test_all_that_is_said_is_described_with_its_kind_and_labels(scraped: Scraped) -> None:
    described = {one.name: one for one in describe()}
    assert len(described) == len(describe())
    for family in [*Scrape(scraped.working).families, *Scrape(scraped.done).families]:
        name = family.name + ("_total" if family.type == "counter" else "")
        assert described[name].kind == family.type
        for sample in family.samples:
            own = sample.labels.keys() - {"site", "process", "le"}
            assert own <= set(described[name].labels), sample


def test_the_secret_of_a_camera_is_in_no_metric_and_in_no_log(scraped: Scraped) -> None:
    path, text = scraped.path, scraped.working + scraped.done
    assert SECRET not in text
    assert "rtsp" not in text
    logs = [path.parent / "run.log", *load_site(path).data_dir.glob("logs/*")]
    assert len(logs) >= 5
    for log in logs:
        assert SECRET not in log.read_text()
    assert "viewer:***@127.0.0.1" in "".join(log.read_text() for log in logs)


def test_nothing_is_left_to_be_asked_when_all_have_ended(scraped: Scraped) -> None:
    assert not list(load_site(scraped.path).data_dir.glob("metrics/*.sock"))
