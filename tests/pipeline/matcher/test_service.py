"""The matcher as a process, on a real Redis server and a real store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.bus import Consumer, EmbeddedServer, Keys, Lease, Publisher, connect
from pipeline.config import Encoder, Site
from pipeline.errors import CamtrailError
from pipeline.matcher.service import Service, make_engine, run_matcher
from pipeline.records import Envelope, Position, Progress
from pipeline.store import Store
from tests.pipeline.bus.servers import Server
from tests.pipeline.matcher.conftest import write_encoder
from tests.pipeline.matcher.synthetic import engine, scripts
from tests.pipeline.matcher.test_engine import identities, mixed, play

PATIENCE = 60.0


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def groups(envelopes: Sequence[Envelope]) -> list[list[Any]]:
    """The bodies as a worker puts them: up to and with each progress."""
    result: list[list[Any]] = [[]]
    for envelope in envelopes:
        result[-1].append(envelope.body)
        if isinstance(envelope.body, Progress):
            result.append([])
    return result[:-1]


class Cameras:
    """Publishers of the cameras of a script."""

    def __init__(self, site: Site, fingerprint: str, stack: ExitStack, seed: int = 0) -> None:
        self.publishers = {
            camera: stack.enter_context(Publisher(site, camera)) for camera in site.cameras
        }
        self.streams: list[list[Envelope]] = []
        for script in scripts(seed):
            script.run = self.publishers[script.camera].run
            script.fingerprint = fingerprint
            self.streams.append(script.envelopes())
        self._groups = {s[0].camera: groups(s) for s in self.streams}

    @property
    def updates(self) -> int:
        return sum(not isinstance(m.body, Progress) for s in self.streams for m in s)

    def put(self, camera: str, count: int = 10_000) -> None:
        """Publishes the next groups of a camera."""
        for _ in range(min(count, len(self._groups[camera]))):
            self.publishers[camera].put(self._groups[camera].pop(0))

    def all_committed(self, seconds: float = PATIENCE) -> bool:
        return all(p.wait_committed(seconds) for p in self.publishers.values())

    def expected(self) -> dict[Any, int]:
        return identities(play(engine(), mixed(self.streams, [0, 1, 2] * 200)))


def stored(site: Site) -> dict[Any, int]:
    with Store.open(site.store_url, read_only=True) as store:
        people = [store.identity(p.identity) for p in store.identities()]
    return {visit.key: p.summary.identity for p in people for visit in p.visits}


@contextmanager
def running(target: Callable[..., None], *args: Any, **options: Any) -> Any:
    """Runs the target in a thread; what it raised is raised at the end."""
    stop = threading.Event()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            target(*args, stop, **options)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread, stop
    finally:
        stop.set()
        thread.join(PATIENCE)
    if raised:
        raise raised[0]


def test_until_the_end(site: Site, server: EmbeddedServer, encoder: tuple[Path, str]) -> None:
    """Files read one after the other give the same identities as in step."""
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        with running(run_matcher, site, until_end=True) as (thread, _):
            for camera in "cab":
                cameras.put(camera)
                assert cameras.publishers[camera].wait_committed(PATIENCE)
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert stored(site) == cameras.expected()
        with Store.open(site.store_url, read_only=True) as store:
            counts = store.counts()
        assert (counts.updates, counts.missing, counts.duplicates) == (cameras.updates, 0, 0)
        health = connect(site).hgetall(Keys(site.site).matcher)
        assert health[b"undecided"] == b"0"
        assert int(health[b"committed"]) == cameras.updates
        assert connect(site).xlen(Keys(site.site).tracklets) == 0


def test_what_is_acknowledged_was_announced_before(
    site: Site,
    server: EmbeddedServer,
    encoder: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a worker whose messages are all acknowledged takes them for forgotten."""
    done: list[tuple[str, int]] = []
    ack, announce = Consumer.ack, Consumer.announce

    def acknowledges(consumer: Consumer, ids: Sequence[str]) -> None:
        done.append(("ack", len(ids)))
        ack(consumer, ids)

    def announces(consumer: Consumer, positions: Mapping[str, Position]) -> None:
        done.append(("announce", sum(position.number for position in positions.values())))
        announce(consumer, positions)

    monkeypatch.setattr(Consumer, "ack", acknowledges)
    monkeypatch.setattr(Consumer, "announce", announces)
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        for camera in site.cameras:
            cameras.put(camera)
        with running(run_matcher, site, until_end=True) as (thread, _):
            thread.join(PATIENCE)
    acknowledged = announced = 0
    for what, count in done:
        acknowledged += count if what == "ack" else 0
        announced = max(announced, count if what == "announce" else 0)
        assert acknowledged <= announced
    assert acknowledged > 0


@pytest.mark.slow
def test_killed_again_and_again(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str], tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    text = {
        "site": site.site,
        "data_dir": str(site.data_dir),
        "encoder": {"path": str(encoder[0])},
        "cameras": {name: {"source": f"{name}.mp4"} for name in site.cameras},
    }
    file.write_text(yaml.safe_dump(text))
    command = [sys.executable, "-m", "pipeline.cli", "matcher", str(file), "--until-end"]

    def committed() -> int:
        try:
            with Store.open(site.store_url, read_only=True) as store:
                return store.counts().updates
        except CamtrailError:
            return 0

    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        for part in range(3):
            process = subprocess.Popen(command, start_new_session=True)
            before = committed()
            for camera in site.cameras:
                cameras.put(camera, 8)
            until(lambda before=before: committed() > before)
            time.sleep(0.05 * part)  # not always at the same point
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for camera in site.cameras:
            cameras.put(camera)
        process = subprocess.Popen(command)
        assert process.wait(PATIENCE) == 0
        assert cameras.all_committed(5)
        assert stored(site) == cameras.expected()
        with Store.open(site.store_url, read_only=True) as store:
            counts = store.counts()
        assert (counts.updates, counts.missing, counts.duplicates) == (cameras.updates, 0, 0)


def test_redis_restarted_in_the_middle(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        with running(run_matcher, site, until_end=True) as (thread, _):
            for camera in site.cameras:
                cameras.put(camera, 10)
            assert cameras.all_committed()
            server.stop()
            for camera in site.cameras:
                cameras.put(camera)
            server.start()
            assert cameras.all_committed()
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert stored(site) == cameras.expected()


def test_a_full_disk_loses_nothing(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    """SQLite is made to believe that the disk is full, then that it is not."""
    client, keys = connect(site), Keys(site.site)
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        lease = Lease(client, keys)
        assert lease.acquire()
        stack.callback(lease.close)
        site.data_dir.mkdir(exist_ok=True)
        store = stack.enter_context(Store.open(site.store_url))
        target = make_engine(site, store, wait_for_all=True)
        limit = "PRAGMA max_page_count = {}"

        def run(stop: threading.Event) -> None:
            with store._engine.connect() as connection:
                connection.exec_driver_sql(limit.format(1))  # no page more than there are
            Service(site, client, keys, lease, store, target).run(stop, until_end=True)

        health = connect(site)
        with running(run) as (thread, _):
            for camera in site.cameras:
                cameras.put(camera)
            until(lambda: b"full" in (health.hget(keys.matcher, "message") or b""))
            assert not cameras.all_committed(0.2)
            with store._engine.connect() as connection:
                connection.exec_driver_sql(limit.format(1_000_000))
            assert cameras.all_committed()
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert stored(site) == cameras.expected()


class Faltering(Lease):
    """A lease that is in doubt for a moment, every third time that it is looked at."""

    looks = 0

    @property
    def valid(self) -> bool:
        self.looks += 1
        return super().valid and self.looks % 3 != 2


def test_what_was_read_when_the_lease_fell_in_doubt_is_read_again(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    client, keys = connect(site), Keys(site.site)
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        for camera in site.cameras:
            cameras.put(camera)
            assert cameras.publishers[camera].wait_sent(PATIENCE)
        lease = Faltering(client, keys)
        assert lease.acquire()
        stack.callback(lease.close)
        store = stack.enter_context(Store.open(site.store_url))
        service = Service(site, client, keys, lease, store, make_engine(site, store, True))
        with running(service.run, until_end=True) as (thread, _):
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert lease.looks > 3
        assert stored(site) == cameras.expected()


@pytest.fixture
def locked(site: Site, tmp_path: Path) -> Iterator[tuple[Server, Site]]:
    """A server that asks for a password, and the site that knows it."""
    server = Server(tmp_path / "locked", "--requirepass", "right-secret")
    server.start()
    yield server, site.model_copy(update={"redis": f"redis://:right-secret@{server.address}/0"})
    server.kill()


REFUSED = "Redis refuses the user or password of `redis:` in site.yaml"


def test_a_password_that_redis_refuses_ends_the_matcher_at_its_start(
    locked: tuple[Server, Site],
) -> None:
    server, site = locked
    for login in ("", ":wrong-secret@"):
        wrong = site.model_copy(update={"redis": f"redis://{login}{server.address}/0"})
        with pytest.raises(CamtrailError, match=REFUSED) as refused:
            run_matcher(wrong, threading.Event())
        assert "secret" not in str(refused.value)


def test_a_password_that_redis_begins_to_refuse_is_named_and_loses_nothing(
    locked: tuple[Server, Site], encoder: tuple[Path, str], capfd: pytest.CaptureFixture[str]
) -> None:
    site, said = locked[1], ""

    def told() -> bool:
        nonlocal said
        output = capfd.readouterr()
        said += output.out + output.err
        lines = [line for line in said.splitlines() if REFUSED in line]
        return all(any(name in line for line in lines) for name in ("publisher", "matcher.service"))

    with ExitStack() as stack:
        admin = stack.enter_context(closing(connect(site)))
        cameras = Cameras(site, encoder[1], stack)
        with running(run_matcher, site, until_end=True) as (thread, _):
            for camera in site.cameras:
                cameras.put(camera, 10)
            assert cameras.all_committed()
            admin.config_set("requirepass", "another-secret")
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            for camera in site.cameras:
                cameras.put(camera)
            until(told)
            assert "secret" not in said
            admin.config_set("requirepass", "right-secret")
            assert cameras.all_committed()
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert stored(site) == cameras.expected()


def test_a_second_matcher_refuses(site: Site, server: EmbeddedServer) -> None:
    with running(run_matcher, site) as (thread, _):
        until(lambda: connect(site).exists(Keys(site.site).matcher) or not thread.is_alive())
        with pytest.raises(CamtrailError, match="another matcher works on it"):
            run_matcher(site, threading.Event())
        elsewhere = site.model_copy(update={"data_dir": site.data_dir.parent / "other"})
        elsewhere = elsewhere.model_copy(update={"redis": f"unix://{site.redis_socket}"})
        with pytest.raises(CamtrailError, match="another matcher of this site is running"):
            run_matcher(elsewhere, threading.Event())


def test_an_encoder_that_did_not_make_the_gallery_is_refused(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    """What waits in Redis stays there, for the matcher with the former file."""
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        for camera in site.cameras:
            cameras.put(camera)
            assert cameras.publishers[camera].wait_sent(PATIENCE)
        waiting = connect(site).xlen(Keys(site.site).tracklets)
        with Store.open(site.store_url) as store:
            store.remember("fingerprint", "f" * 32)
        with pytest.raises(CamtrailError, match=f"is {encoder[1]}, but .* made by {'f' * 32}"):
            run_matcher(site, threading.Event(), until_end=True)
        assert connect(site).xlen(Keys(site.site).tracklets) == waiting > 0
        assert not stored(site)
        with Store.open(site.store_url) as store:
            store.remember("fingerprint", encoder[1])
        with running(run_matcher, site, until_end=True) as (thread, _):
            thread.join(PATIENCE)
        assert stored(site) == cameras.expected()


def test_a_standby_takes_over(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    keys = Keys(site.site)
    client = connect(site)
    with ExitStack() as stack:
        cameras = Cameras(site, encoder[1], stack)
        with running(run_matcher, site, standby=True, until_end=True) as (_, stop_first):
            until(lambda: client.exists(keys.matcher))
            with running(run_matcher, site, standby=True, until_end=True) as (second, _):
                for camera in site.cameras:
                    cameras.put(camera, 5)
                assert cameras.all_committed()
                stop_first.set()
                for camera in site.cameras:
                    cameras.put(camera)
                assert cameras.all_committed()
                second.join(PATIENCE)
                assert not second.is_alive()
        assert stored(site) == cameras.expected()


def test_another_encoder_is_refused(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str], tmp_path: Path
) -> None:
    with Store.open(site.store_url) as store:
        store.remember("fingerprint", encoder[1])
    other = tmp_path / "other.safetensors"
    write_encoder(other, 2)
    changed = site.model_copy(update={"encoder": Encoder(path=other)})  # type: ignore[call-arg]
    with pytest.raises(CamtrailError, match="two encoders cannot be compared"):
        run_matcher(changed, threading.Event())
    gone = site.model_copy(update={"encoder": Encoder(path=tmp_path / "no.safetensors")})  # type: ignore[call-arg]
    with pytest.raises(CamtrailError, match="cannot be read"):
        run_matcher(gone, threading.Event())
    other.write_bytes(b"nonsense")
    with pytest.raises(CamtrailError, match=r"other\.safetensors"):
        run_matcher(changed, threading.Event())


def test_two_zones_share_a_redis_and_nothing_else(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str], encoder_fact: str, tmp_path: Path
) -> None:
    shared = f"unix://{site.redis_socket}"
    changes = {"site": "hall", "data_dir": tmp_path / "hall", "redis": shared}
    other = site.model_copy(update=changes)
    with Store.open(other.store_url) as store:
        store.remember("encoder", encoder_fact)
    with ExitStack() as stack:
        zones = [(site, 0), (other, 1)]
        cameras = [Cameras(zone, encoder[1], stack, seed) for zone, seed in zones]
        threads = [
            stack.enter_context(running(run_matcher, zone, until_end=True))[0] for zone, _ in zones
        ]
        for camera in site.cameras:
            for own in cameras:
                own.put(camera)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert stored(site) == cameras[0].expected()
        assert stored(other) == cameras[1].expected()
        assert stored(site) != stored(other)
