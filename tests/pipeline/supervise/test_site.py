"""`camtrail run` with the real programs."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline.bus import Keys, connect, last_numbers
from pipeline.config import Site
from pipeline.records import CameraState
from pipeline.store import Store
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.bus.servers import Server
from tests.pipeline.camera.videos import numbered
from tests.pipeline.live import small_site, stored_updates
from tests.pipeline.notify.places import SECRET, hook
from tests.pipeline.run import Run

SECONDS = 12


def published(site: Site) -> int:
    return sum(sum(last_numbers(site, camera).values()) for camera in site.cameras)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_site(tmp_path_factory.mktemp("videos"), SECONDS)[0]


@pytest.fixture
def path(videos: Path, tmp_path: Path) -> Path:
    """The site, with an empty data directory."""
    text = videos.read_text().replace("source: ", f"source: {videos.parent}/")
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return path


def load(path: Path) -> Site:
    from pipeline.config import load_site

    return load_site(path)


def test_files_are_read_to_their_end_though_everything_is_killed_once(path: Path) -> None:
    text = path.read_text().replace("cameras:\n", "cameras:\n  ghost: {source: missing.mp4}\n")
    path.write_text(text)
    site = load(path)
    run = Run(path, "--until-end")
    assert wait_for(lambda: published(site) > 8 and stored_updates_or_none(site), 120)
    for name in ("redis", "matcher", next(n for n in site.cameras if n != "ghost")):
        run.kill_and_wait_for_restart(name)
    assert run.process.wait(240) == 1  # for the ghost
    assert run.all_gone()
    said = {line.get("camera"): line for line in run.lines() if "not read" in line["event"]}
    assert list(said) == ["ghost"]
    assert "missing.mp4" in said["ghost"]["error"]
    store = Store.open(site.store_url, read_only=True)
    records = {record.camera: record for record in store.cameras()}
    assert records.pop("ghost").state is CameraState.LOST
    for record in records.values():
        assert (record.state, record.frames) == (CameraState.ENDED, SECONDS * 10)
    counts = store.counts()
    assert (counts.duplicates, counts.missing, counts.undecided) == (0, 0, 0)
    before = stored_updates(site)
    assert len(before) == len(set(before)) > 0

    again = Run(path, "--until-end")
    assert again.process.wait(120) == 1
    skipped = [line["camera"] for line in again.lines() if "nothing is read again" in line["event"]]
    assert sorted(skipped) == sorted(records)
    assert stored_updates(site) == before


def test_a_video_that_is_cut_off_is_told_on_the_console(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole.mp4", 100, movflags="faststart").read_bytes()
    (tmp_path / "gate.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "hall.mp4").write_bytes(whole)
    path = tmp_path / "site.yaml"
    start = "start: 2026-01-05T08:00:00Z"
    cameras = {name: f"{{source: {name}.mp4, {start}}}" for name in ("gate", "hall")}
    lines = (f"  {name}: {settings}\n" for name, settings in cameras.items())
    path.write_text("site: yard\ndetector: {image_size: 64}\ncameras:\n" + "".join(lines))
    run = Run(path, "--until-end")
    assert run.process.wait(120) == 1
    store = Store.open(load(path).store_url, read_only=True)
    records = {record.camera: record for record in store.cameras()}
    assert {record.state for record in records.values()} == {CameraState.ENDED}
    assert records["hall"].frames == 100
    lost = 100 - records["gate"].frames
    assert 10 < lost < 60
    said = [line for line in run.lines() if "frames could not be decoded" in str(line)]
    assert said[-1]["camera"] == "gate"
    assert f"gate.mp4: {lost} of 100 frames could not be decoded" in said[-1]["error"]
    assert len(run.pids("gate")) == 1


def stored_updates_or_none(site: Site) -> object:
    try:
        return stored_updates(site)
    except Exception:  # not there yet
        return None


@pytest.mark.slow
def test_what_is_stopped_by_hand_before_its_end_is_started_again(path: Path) -> None:
    site = load(path)
    run = Run(path, "--until-end")
    camera = next(iter(site.cameras))
    assert wait_for(lambda: sum(last_numbers(site, camera).values()) > 3, 120)
    for name in (camera, "matcher"):
        os.kill(run.pids(name)[-1], signal.SIGTERM)
    assert run.process.wait(240) == 0
    assert {name: len(run.pids(name)) for name in (camera, "matcher")} == {camera: 2, "matcher": 2}
    store = Store.open(site.store_url, read_only=True)
    for record in store.cameras():
        assert (record.state, record.frames) == (CameraState.ENDED, SECONDS * 10)
    counts = store.counts()
    assert (counts.duplicates, counts.missing, counts.undecided) == (0, 0, 0)


def test_a_clean_stop_leaves_nothing_behind_and_a_second_run_is_refused(path: Path) -> None:
    site = load(path)
    run = Run(path)
    assert wait_for(lambda: published(site) > 4, 120)
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"another `camtrail run` (process {run.process.pid})" in second.stderr
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(60) == 0
    assert run.all_gone()
    store = Store.open(site.store_url, read_only=True)
    assert store.counts().missing == 0
    stored = {record.camera: record for record in store.cameras()}
    assert set(stored) == set(site.cameras)


@pytest.mark.slow
def test_a_running_site_changes_over_to_another_encoder(tmp_path: Path) -> None:
    path, site = small_site(tmp_path / "site", 30)
    promoted = other_description(site.encoder.path, tmp_path / "promoted.safetensors")
    run = Run(path)
    try:
        assert wait_for(lambda: stored_identities(site), 120)
        before = stored_identities(site)
        for camera in site.cameras:  # or the files might be at their end first
            os.kill(run.pids(camera)[-1], signal.SIGSTOP)
        command = [sys.executable, "-m", "pipeline.cli", "encoder", "promote", str(promoted)]
        promotion = subprocess.Popen(
            [*command, str(path), "--force", "--json"], stdout=subprocess.PIPE, text=True
        )
        assert wait_for((site.data_dir / "encoders" / "current.json").exists, 120)
        for camera in site.cameras:
            os.kill(run.pids(camera)[-1], signal.SIGCONT)
        answer, _ = promotion.communicate(timeout=200)
        assert promotion.returncode == 0
        said = json.loads(answer)
        assert said["changed_over"] is True
        assert said["reembedded"] >= len(before)
        assert said["without_crops"] == 0
        assert wait_for(lambda: encoders(site) == {said["former"], said["fingerprint"]}, 240)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0
    finally:
        run.end()
    with Store.open(site.store_url, read_only=True) as store:
        assert store.fact("fingerprint") == said["fingerprint"]
        counts = store.counts()
    assert (counts.duplicates, counts.missing) == (0, 0)
    assert before <= stored_identities(site)


def other_description(encoder: Path, target: Path) -> Path:
    """The same network in a file of another fingerprint."""
    from reid_models import save_encoder
    from reid_models.weights import read_encoder

    model, description = read_encoder(encoder)
    save_encoder(target, model, description.model_copy(update={"flip": True}))
    return target


def query(site: Site, text: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(site.data_dir / "camtrail.sqlite") as store:
        return store.execute(text).fetchall()


def stored_identities(site: Site) -> set[int]:
    try:
        return {row[0] for row in query(site, "SELECT id FROM identities")}
    except sqlite3.OperationalError:  # not there yet
        return set()


def encoders(site: Site) -> set[str]:
    """Whose embeddings the store has."""
    return {row[0] for row in query(site, "SELECT fingerprint FROM tracklets WHERE crops > 0")}


def test_the_children_stop_when_the_supervisor_is_killed(path: Path) -> None:
    run = Run(path)
    expected = {"redis", "matcher", *load(path).cameras}
    assert wait_for(lambda: all(run.pids(name) for name in expected), 60)
    run.process.kill()
    run.process.wait()
    assert wait_for(run.all_gone, 60)


def test_the_viewer_runs_beside_the_cameras_and_its_death_changes_nothing(path: Path) -> None:
    site = with_settings(path, "viewer: {port: 0}")
    run = Run(path, viewer=True)
    try:
        assert wait_for(lambda: addresses(site), 120)
        assert wait_for(lambda: people(addresses(site)[-1]), 60)
        assert run.listening() == {"127.0.0.1"}
        run.kill_and_wait_for_restart("viewer")
        assert wait_for(lambda: len(addresses(site)) == 2, 120)
        assert wait_for(lambda: people(addresses(site)[-1]), 60)
        assert {name: len(run.pids(name)) for name in ("matcher", *site.cameras)} == dict.fromkeys(
            ("matcher", *site.cameras), 1
        )
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(120) == 0
        assert run.all_gone()
    finally:
        run.end()


@pytest.mark.slow
def test_a_port_in_use_is_said_and_the_rest_goes_on(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site = with_settings(path, f"viewer: {{port: {port}}}")
        run = Run(path, "--until-end", viewer=True)
        assert run.process.wait(240) == 0
    said = [line for line in run.lines() if line.get("process") == "viewer" and "error" in line]
    assert f"{port}: cannot listen" in said[0]["error"]
    assert said[0]["state"] == "quarantined"
    assert stored_updates(site)


@pytest.mark.slow
def test_who_is_to_be_told_has_been_told_of_everybody_at_the_end(path: Path) -> None:
    with hook() as server:
        webhook = {"url": server.url, "secret": SECRET, "events": ["person.seen"]}
        notify = json.dumps({"webhooks": {"guard": webhook}})
        site = with_settings(path, f"notify: {notify}\nviewer: {{enabled: false}}")
        run = Run(path, "--until-end", viewer=True)
        assert run.process.wait(240) == 0
    told = [said["identity"] for said in server.said]
    with Store.open(site.store_url, read_only=True) as store:
        people = {person.identity: person for person in store.identities()}
    assert people.keys() <= set(told)
    assert len(told) == len(set(told))
    assert len(run.pids("notifier")) == 1
    assert run.pids("viewer") == []
    for said in server.said:
        assert said["camera"] in site.cameras
        assert said["link"] == f"http://127.0.0.1:8600/identities/{said['identity']}"


def with_settings(path: Path, lines: str) -> Site:
    """Adds lines to ``site.yaml``."""
    path.write_text(f"{path.read_text()}\n{lines}\n")
    return load(path)


def addresses(site: Site) -> list[str]:
    """Where the viewer was reached in each of its lives."""
    try:
        lines = (site.data_dir / "logs" / "viewer.log").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if line.startswith("http")]


def people(address: str) -> bool:
    """Whether the viewer at an address answers with the people that the store has."""
    try:
        with urllib.request.urlopen(f"{address}api/v1/identities") as answer:
            return "identities" in json.load(answer)
    except urllib.error.URLError:  # it does not listen yet, or there is no store yet
        return False


def test_on_a_terminal_there_is_a_table(path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path), "--no-viewer"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(command, stderr=slave, stdout=slave, env=environment)
    os.close(slave)
    shown = b""
    while b"spool" not in shown or b"gate" not in shown or b"matcher" not in shown:
        shown += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    try:
        while os.read(master, 4096):
            pass
    except OSError:
        pass  # the terminal is closed
    assert process.wait(60) in (0, 130)
    os.close(master)


def test_until_end_never_comes_for_a_live_camera(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site: s\ncameras:\n  door: {source: 'rtsp://u:secret@door.example/1'}\n")
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path), "--until-end"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "door is live and never ends" in answer.stderr
    assert "secret" not in answer.stderr


def test_a_password_that_redis_refuses_ends_the_run_at_its_start(tmp_path: Path) -> None:
    server = Server(tmp_path / "redis", "--requirepass", "right-secret")
    server.start()
    path = tmp_path / "site.yaml"
    url = f"redis://:wrong-secret@{server.address}/0"
    path.write_text(f"site: s\nredis: {url}\ncameras: {{door: {{source: door.mp4}}}}\n")
    command = [sys.executable, "-m", "pipeline.cli", "run", str(path), "--json-logs"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    finally:
        server.kill()
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert "Redis refuses the user or password of `redis:` in site.yaml" in line
    assert "secret" not in line


@pytest.mark.slow
def test_the_standby_decides_when_the_matcher_dies(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    cameras = "cameras: {ghost: {source: missing.mp4}}\n"
    path.write_text("site: yard\nmatcher: {standby: true}\n" + cameras)
    site, run = load(path), Run(path)

    def deciding() -> str:
        """Which of the two does; empty where neither or nobody knows."""
        try:
            pid = int(connect(site).hget(Keys(site.site).matcher, "pid") or 0)
        except redis.RedisError:
            return ""
        return next((n for n in ("matcher", "standby") if run.pids(n)[-1:] == [pid]), "")

    try:
        assert wait_for(deciding, 200)
        assert wait_for(lambda: run.pids("matcher") and run.pids("standby"), 60)
        first = deciding()
        other = "standby" if first == "matcher" else "matcher"
        run.kill_and_wait_for_restart(first)
        assert wait_for(lambda: deciding() == other, 60)
        assert len(run.pids(other)) == 1
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0
        assert run.all_gone()
    finally:
        run.end()
