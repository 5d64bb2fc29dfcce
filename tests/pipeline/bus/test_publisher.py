from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from pipeline.bus import (
    Consumer,
    EmbeddedServer,
    Keys,
    Publisher,
    WireError,
    connect,
    drained,
    last_numbers,
    publisher,
)
from pipeline.bus.server import find_server
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.records import CameraHealth, Progress
from tests.pipeline.bus.samples import Store, progress, put, update, wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(publisher, "_BACKOFF", (0.02, 0.2))


@pytest.fixture
def sender(site: Site) -> Iterator[Publisher]:
    with Publisher(site, "gate") as sender:
        yield sender


def drain(store: Store, count: int, run: str, first: int = 1) -> None:
    """Until the store has exactly the numbers ``first``..``count`` of the run."""
    assert wait_for(lambda: store.step() == 0 and len(store.numbers(run)) >= count - first + 1)
    assert store.numbers(run) == list(range(first, count + 1))


def kill(server: EmbeddedServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_for(lambda: not server.alive)


def reopened(store: Store) -> None:
    assert wait_for(lambda: _opens(store.consumer))


def _opens(consumer: Consumer) -> bool:
    try:
        consumer.open()
    except Exception:
        return False
    return True


def test_everything_arrives_in_order_and_leaves_the_spool(
    site: Site, sender: Publisher, consumer: Consumer
) -> None:
    store = Store(consumer)
    count = put(sender, 400)
    assert sender.stats.published == count
    drain(store, count, sender.run)
    assert store.deliveries == count
    assert sender.wait_committed(5)
    stats = sender.stats
    assert (stats.spooled, stats.dropped, stats.connected, stats.error) == (0, 0, True, "")
    segments = list((site.spool_dir / "gate").glob("*.seg"))
    assert len(segments) == 1  # of several; the last says where a file goes on
    assert last_numbers(site, "gate") == {sender.run: count}


def test_redis_that_comes_later_gets_all(site: Site, sender: Publisher) -> None:
    count = put(sender, 5)
    assert wait_for(lambda: sender.stats.error)
    assert not sender.stats.connected
    assert not sender.wait_committed(0.01)
    server = EmbeddedServer(site)
    server.start()
    consumer = Consumer(connect(site), Keys(site.site), "matcher")
    consumer.open()
    drain(Store(consumer), count, sender.run)
    assert sender.wait_committed(5)
    server.stop()


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_redis_killed_with_a_lost_tail_of_its_file(
    site: Site, sender: Publisher, server: EmbeddedServer, consumer: Consumer, keep: float
) -> None:
    store = Store(consumer)
    count = put(sender, 60)
    assert sender.wait_sent(5)
    assert store.step(50) == 50  # the rest is acknowledged to the worker by Redis alone
    kill(server)
    for path in (site.redis_socket.parent / "appendonlydir").glob("*.incr.aof"):
        os.truncate(path, int(path.stat().st_size * keep))
    count += put(sender, 5, first=61)
    server.start()
    reopened(store)
    drain(store, count, sender.run)
    assert sender.wait_committed(5)


def test_a_server_that_forgets_without_a_word(
    site: Site, sender: Publisher, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_STALL_SECONDS", 0.2)
    store = Store(consumer)
    count = put(sender, 20)
    assert sender.wait_sent(5)
    store.step(16)
    connect(site).flushall()
    drain(store, count, sender.run)
    assert sender.wait_committed(5)


def test_a_matcher_that_was_slow_is_not_taken_for_a_server_that_forgets(
    site: Site, consumer: Consumer, sender: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It commits all at the worst moment: just after it was asked how far it is."""
    store, asked = Store(consumer), []

    def drained_at_last(client: redis.Redis, keys: Keys) -> bool:
        asked.append(store.step())
        return drained(client, keys)

    monkeypatch.setattr(publisher, "drained", drained_at_last)
    monkeypatch.setattr(publisher, "_STALL_SECONDS", 0.2)
    count = put(sender, 3)
    assert sender.wait_committed(10)
    put(sender, 1, first=4)
    assert sender.wait_sent(10)
    assert asked[0] == count
    assert connect(site).xlen(Keys(site.site).tracklets) == count + 4  # nothing came twice


def test_a_server_that_forgets_and_breaks_the_connection(
    site: Site, sender: Publisher, consumer: Consumer
) -> None:
    """As a failover does: a connection that is mended silently would leave a gap here."""
    store = Store(consumer)
    count = 0
    for first in (1, 5, 9, 13, 17):
        count += put(sender, 4, first=first)
        assert sender.wait_sent(5)
        store.step(7)
        with connect(site).pipeline(transaction=True) as pipeline:
            pipeline.flushall()
            pipeline.client_kill_filter(_type="normal", skipme=True)
            pipeline.execute()
        reopened(store)
    count += put(sender, 1, first=21)
    drain(store, count, sender.run)


def test_redis_out_of_memory_loses_nothing(
    site: Site, sender: Publisher, consumer: Consumer
) -> None:
    client = connect(site)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 200_000)
    count = put(sender, 400)
    assert wait_for(lambda: "maxmemory" in sender.stats.error)
    assert sender.stats.spooled == count
    client.config_set("maxmemory", "512mb")
    drain(Store(consumer), count, sender.run)
    assert sender.wait_committed(5)
    assert sender.stats.error == ""


def test_a_read_only_redis_loses_nothing(site: Site, sender: Publisher, consumer: Consumer) -> None:
    client = connect(site)
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    count = put(sender, 3)
    assert wait_for(lambda: sender.stats.error)
    client.execute_command("REPLICAOF", "NO", "ONE")
    drain(Store(consumer), count, sender.run)


def test_a_wrong_password_is_reported_and_never_printed(
    site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    socket = tmp_path / "locked.sock"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--requirepass", "right-secret"]
    process = subprocess.Popen(
        [str(find_server()), *arguments, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    assert wait_for(socket.exists)
    wrong = site.model_copy(update={"redis": f"unix://{socket}?password=wrong-secret"})
    with Publisher(wrong, "gate") as sender:
        count = put(sender, 2)
        assert wait_for(lambda: "password of `redis:` in site.yaml" in sender.stats.error)
        assert "secret" not in sender.stats.error
        assert sender.stats.spooled == count
        former = sender.run
    right = site.model_copy(update={"redis": f"unix://{socket}?password=right-secret"})
    consumer = Consumer(connect(right), Keys(site.site), "matcher")
    consumer.open()
    with Publisher(right, "gate") as sender:
        drain(Store(consumer), count, former)
        assert sender.wait_committed(5)
    process.kill()
    process.wait()
    output = capfd.readouterr()
    assert "secret" not in output.out + output.err


def test_a_new_run_sends_first_what_the_former_left(
    site: Site, consumer: Consumer, server: EmbeddedServer
) -> None:
    server.stop()
    runs = []
    for _ in range(3):
        with Publisher(site, "gate") as sender:
            put(sender, 4)
            runs.append(sender.run)
    server.start()
    store = Store(consumer)
    reopened(store)
    with Publisher(site, "gate") as sender:
        assert sender.run > max(runs)
        assert sender.resume == progress(runs[-1], 4)
        for run in runs:
            drain(store, 16, run)
        assert sender.wait_committed(5)
    assert [position.run for position in store.bodies] == [run for run in runs for _ in range(16)]
    assert last_numbers(site, "gate") == dict.fromkeys(runs, 16)


def test_the_first_run_has_nothing_to_resume(site: Site, sender: Publisher) -> None:
    assert sender.resume is None
    assert sender.wait_committed(0)
    assert last_numbers(site, "gate") == {}
    assert last_numbers(site, "nowhere") == {}


def test_a_full_spool_drops_the_oldest_and_says_so(site: Site, server: EmbeddedServer) -> None:
    server.stop()
    small = site.model_copy(update={"spool": site.spool.model_copy(update={"max_megabytes": 0.1})})
    with Publisher(small, "gate") as sender:
        count = put(sender, 60)
        dropped = sender.stats.dropped
        assert dropped > 0
        assert sender.stats.spooled == count - dropped
        count += put(sender, 1, first=61)
        server.start()
        consumer = Consumer(connect(site), Keys(site.site), "matcher")
        consumer.open()
        received = []
        while not sender.wait_committed(0):
            received += [delivery.envelope for delivery in consumer.read(100, 20)]
            if received:
                last = received[-1]
                consumer.announce({"gate": publisher.Position(last.run, last.number)})
        dropped = sender.stats.dropped
    assert [envelope.number for envelope in received] == list(range(dropped + 1, count + 1))
    last_body = received[-1].body
    assert isinstance(last_body, Progress)
    assert 0 < last_body.dropped <= dropped


def test_the_stream_is_bounded_and_the_rest_waits_in_the_spool(
    site: Site, sender: Publisher, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MAX_STREAM", 100)
    monkeypatch.setattr(publisher, "_BATCH_BYTES", 10_000)
    count = put(sender, 200)
    client, keys = connect(site), Keys(site.site)
    assert wait_for(lambda: client.xlen(keys.tracklets) >= 100)
    assert not sender.wait_sent(0.2)
    assert client.xlen(keys.tracklets) < 150
    store = Store(consumer)
    while store.step() or len(store.bodies) < count:
        consumer.trim()
    assert store.numbers(sender.run) == list(range(1, count + 1))
    assert sender.wait_committed(5)


def test_health_is_published_and_expires(
    site: Site, sender: Publisher, server: EmbeddedServer
) -> None:
    put(sender, 2)
    sender.report(CameraHealth("gate", sender.run, 42, "running", fps=9.5, message="dark"))
    client, key = connect(site), Keys(site.site).health("gate")
    assert wait_for(lambda: client.hget(key, "published") == b"8")
    health = client.hgetall(key)
    assert (health[b"fps"], health[b"spool"], health[b"message"]) == (b"9.5", b"8", b"dark")
    assert 0 < client.ttl(key) <= publisher.HEALTH_SECONDS


def test_a_broken_record_is_refused_and_the_numbers_stay_whole(
    site: Site, sender: Publisher, consumer: Consumer
) -> None:
    good = update(sender.run)
    with pytest.raises(WireError):
        sender.put([good, progress(sender.run, time=float("nan"))])
    with pytest.raises(ValueError, match="is not gate"):
        sender.put([update("OTHERRUN")])
    sender.put([good])
    drain(Store(consumer), 1, sender.run)


def test_a_second_worker_of_the_camera_is_refused(
    site: Site, sender: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.bus.spool.LOCK_SECONDS", 0.1)
    with pytest.raises(CamtrailError, match="another worker of this camera"):
        Publisher(site, "gate")
