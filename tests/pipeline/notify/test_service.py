"""The notifier's process: nothing is missed, whatever dies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load_site
from pipeline.notify.follow import begin
from pipeline.notify.outbox import Outbox
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.notify.places import SECRET, Hook, Matcher, hook, write_site

PATIENCE = 120.0  # seconds; the machine may be busy


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", "notify", *map(str, arguments)]


@contextmanager
def notifier(path: Path) -> Iterator[subprocess.Popen[str]]:
    """The real process, ended with SIGTERM if it still runs."""
    process = subprocess.Popen(
        command("run", path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("tells ")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def to(server: Hook, **more: Any) -> dict[str, Any]:
    return {"url": server.url, "secret": SECRET, **more}


def told(server: Hook) -> list[int]:
    """Of whom, each message once, in the order in which they came first."""
    return list({said["id"]: said["identity"] for said in server.said}.values())


def test_nothing_is_missed_though_it_is_killed_and_the_receiver_fails(tmp_path: Path) -> None:
    with hook() as server:
        path = write_site(tmp_path, {"webhooks": {"guard": to(server)}})
        site = load_site(path)
        matcher = Matcher(site)
        begin(site)
        server.answers = [500, 204, 503]
        for kill in range(3):
            with notifier(path) as process:
                for number in range(5):
                    matcher.see(10 * kill + number, 100 * kill + number)
                assert wait_for(lambda least=5 * kill + 2: len(told(server)) >= least, PATIENCE)
                process.kill()
                process.wait()
        with notifier(path):
            assert wait_for(lambda: len(told(server)) == 15, PATIENCE)
        assert told(server) == [10 * kill + number for kill in range(3) for number in range(5)]
        with closing(Outbox(site.data_dir)) as outbox:
            (tally,) = outbox.tally(["webhook guard"])
        assert (tally.waiting, tally.dropped) == (0, 0)


def test_a_dead_receiver_harms_no_other_and_is_given_up(tmp_path: Path) -> None:
    dead = {"url": "http://127.0.0.1:9/PATHKEY", "secret": SECRET}
    with hook() as server:
        hooks = {"dead": dead, "guard": to(server)}
        path = write_site(tmp_path, {"webhooks": hooks, "give_up_after": 0.5})
        site = load_site(path)
        begin(site)
        matcher = Matcher(site)
        with notifier(path) as process:
            for number in range(3):
                matcher.see(number, number)
            assert wait_for(lambda: told(server) == [0, 1, 2], PATIENCE)

            def given_up() -> bool:
                answer = subprocess.run(
                    command("status", path, "--json"), capture_output=True, check=True
                )
                rows = {row["receiver"]: row for row in json.loads(answer.stdout)["receivers"]}
                assert rows["webhook guard"]["delivered"] == 3
                return rows["webhook dead"] == {
                    "receiver": "webhook dead", "waiting": 0, "delivered": 0, "dropped": 3
                }  # fmt: skip

            assert wait_for(given_up, PATIENCE)
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert process.stderr is not None
            said = process.stderr.read()
    assert "cannot be reached" in said
    assert "given up" in said
    assert SECRET not in said
    assert "PATHKEY" not in said


def test_what_is_committed_last_is_told_before_it_stops(tmp_path: Path) -> None:
    with hook() as server:
        path = write_site(tmp_path, {"webhooks": {"guard": to(server)}})
        site = load_site(path)
        begin(site)
        matcher = Matcher(site)
        with notifier(path) as process:
            for number in range(30):
                matcher.see(number, number)
            process.terminate()
            assert process.wait(PATIENCE) == 0
        assert told(server) == list(range(30))


def test_the_forgotten_and_the_merged_while_the_receiver_is_away(tmp_path: Path) -> None:
    with hook() as server:
        path = write_site(tmp_path, {"webhooks": {"guard": to(server)}})
        site = load_site(path)
        begin(site)
        matcher = Matcher(site)
        server.answers = [503] * 3
        with notifier(path):
            matcher.see(1, 100)
            matcher.see(2, 101)
            merged = matcher.see(3, 102, camera="hall")
            matcher.see(4, 103, camera="hall")
            assert wait_for(lambda: len(server.answers) < 3, PATIENCE)
            matcher.store.forget(1, matcher.said())
            matcher.decide(merged, 2, former=3)
            matcher.store.rename(2, "Ada", matcher.said())
            assert wait_for(lambda: 4 in told(server), PATIENCE)
        assert [(said["identity"], said["name"]) for said in server.said] == [(2, "Ada"), (4, None)]


def test_a_second_notifier_is_refused(tmp_path: Path) -> None:
    with hook() as server:
        path = write_site(tmp_path, {"webhooks": {"guard": to(server)}})
        with notifier(path):
            second = subprocess.run(command("run", path), capture_output=True, text=True)
    assert second.returncode == 2
    assert "another notifier" in second.stderr


def test_a_test_message_reaches_each(tmp_path: Path) -> None:
    with hook() as server:
        hooks = {"guard": to(server), "dead": to(server, url="http://127.0.0.1:9/PATHKEY")}
        path = write_site(tmp_path, {"webhooks": hooks})
        answer = subprocess.run(command("test", path, "--json"), capture_output=True, text=True)
        said = json.loads(answer.stdout)
        assert (answer.returncode, said["ok"]) == (1, False)
        errors = {row["receiver"]: row["error"] for row in said["receivers"]}
        assert errors["webhook guard"] is None
        assert "refused" in errors["webhook dead"]
        (sent,) = server.said
        assert (sent["event"], sent["id"], sent["site"]) == ("test", said["id"], "shop")
        assert "PATHKEY" not in answer.stdout + answer.stderr


@pytest.mark.parametrize("what", ["run", "test"])
def test_without_anybody_to_tell(tmp_path: Path, what: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site: s\ncameras: {gate: {source: gate.mp4}}\n")
    answer = subprocess.run(command(what, path), capture_output=True, text=True)
    assert answer.returncode == 2
    assert "nobody is named; add webhooks or mqtt" in answer.stderr


def test_an_outbox_that_is_none(tmp_path: Path) -> None:
    with hook() as server:
        path = write_site(tmp_path, {"webhooks": {"guard": to(server)}})
        data = load_site(path).data_dir
        missing = subprocess.run(command("status", path), capture_output=True, text=True)
        data.mkdir(exist_ok=True)
        (data / "notify.sqlite").write_bytes(b"no database" * 1000)
        broken = subprocess.run(command("run", path), capture_output=True, text=True)
    assert missing.returncode == broken.returncode == 2
    assert "nobody has been told anything yet" in missing.stderr
    assert "notify.sqlite: cannot be used" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_a_receiver_that_left_the_settings_leaves_the_outbox(tmp_path: Path) -> None:
    dead = {"url": "http://127.0.0.1:9/", "secret": SECRET}
    path = write_site(tmp_path, {"webhooks": {"gone": dead}})
    site = load_site(path)
    begin(site)
    with closing(Outbox(site.data_dir)) as outbox, notifier(path):
        Matcher(site).see(1, 1)
        assert wait_for(lambda: outbox.tally(["webhook gone"])[0].waiting == 1, PATIENCE)
    write_site(tmp_path, {"webhooks": {"new": dead}})
    with notifier(path), closing(Outbox(site.data_dir)) as outbox:
        assert [tally.waiting for tally in outbox.tally(["webhook gone", "webhook new"])] == [0, 0]
