"""What publisher and consumer count, with a real server."""

from __future__ import annotations

import time

import pytest

from pipeline.bus import Consumer, EmbeddedServer, Keys, Publisher, connect, publisher
from pipeline.config import Site
from pipeline.config import Spool as SpoolOptions
from pipeline.telemetry.metrics import REGISTRY
from tests.pipeline.bus.samples import Store, progress, put, wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(publisher, "_BACKOFF", (0.02, 0.2))


def value(metric: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"camtrail_{metric}", labels)


def of_gate(metric: str) -> float:
    return value(f"bus_{metric}", camera="gate") or 0.0


def test_what_is_published_sent_and_committed_is_counted(
    site: Site, server: EmbeddedServer, consumer: Consumer
) -> None:
    published, sent = of_gate("messages_published_total"), of_gate("messages_sent_total")
    with Publisher(site, "gate") as sender:
        count = put(sender, 10)
        assert sender.wait_sent(60)
        assert value("redis_connected", role="worker") == 1.0
        assert of_gate("messages_published_total") - published == count
        assert of_gate("messages_sent_total") - sent == count
        assert of_gate("spool_messages") == count
        assert of_gate("spool_bytes") == sender.stats.spool_bytes > 0
        assert of_gate("spool_limit_bytes") == site.spool.max_megabytes * 1e6
        store = Store(consumer)
        assert wait_for(lambda: store.step() == 0 and sender.wait_committed(0), 60)
        assert wait_for(lambda: of_gate("spool_messages") == 0.0, 60)
    for gone in ("spool_messages", "spool_bytes", "spool_fault", "spool_limit_bytes"):
        assert value(f"bus_{gone}", camera="gate") is None


def test_the_delay_runs_from_the_capture_until_redis_has_it(
    site: Site, server: EmbeddedServer
) -> None:
    count, total = (of_gate(f"capture_to_publish_seconds_{part}") for part in ("count", "sum"))
    with Publisher(site, "gate") as sender:
        for seconds in (30.0, 10.0):
            sender.put([progress(sender.run, time=time.time() - seconds, live=True)])
        sender.put([progress(sender.run, time=1e9, live=False)])  # a file's time is not the clock's
        assert sender.wait_sent(60)
        assert wait_for(lambda: of_gate("capture_to_publish_seconds_count") == count + 2, 60)
        assert 40.0 <= of_gate("capture_to_publish_seconds_sum") - total < 160.0


def test_a_server_that_is_away_is_said_and_what_is_lost_is_counted(site: Site) -> None:
    small = site.model_copy(update={"spool": SpoolOptions(max_megabytes=0.05)})
    before = of_gate("spool_dropped_total")
    with Publisher(small, "gate") as sender:
        put(sender, 60)
        assert wait_for(lambda: value("redis_connected", role="worker") == 0.0, 60)
        assert 0 < sender.stats.dropped == of_gate("spool_dropped_total") - before
        assert of_gate("spool_messages") == sender.stats.spooled


def test_what_cannot_be_decoded_is_counted(
    site: Site, server: EmbeddedServer, consumer: Consumer
) -> None:
    before = value("bus_dead_letters_total") or 0.0
    for junk in (b"", b"\x01u\x90", b"junk"):
        connect(site).xadd(Keys(site.site).tracklets, {b"m": junk})
    assert wait_for(lambda: consumer.read(10, 10) == [] and consumer.dead_letters == 3, 60)
    assert value("bus_dead_letters_total") == before + 3
