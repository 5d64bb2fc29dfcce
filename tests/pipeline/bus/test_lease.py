from __future__ import annotations

import os
import signal

import pytest
import redis

from pipeline.bus import EmbeddedServer, Keys, Lease, connect, lease
from pipeline.config import Site
from tests.pipeline.bus.samples import wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "_RENEW_SECONDS", 0.1)


def new(site: Site) -> Lease:
    return Lease(connect(site), Keys(site.site))


def test_the_second_is_refused_while_the_first_lives_and_gets_it_after(
    site: Site, server: EmbeddedServer
) -> None:
    first, second = new(site), new(site)
    assert first.acquire(0)
    assert first.valid
    assert not second.acquire(1.2)  # longer than the lease lasts: the first renews it
    assert not second.valid
    assert second.holder().endswith(f"/{os.getpid()}")
    first.close()
    assert second.acquire(0)
    second.close()
    assert new(site).holder() == ""


def test_a_dead_holder_is_waited_out(site: Site, server: EmbeddedServer) -> None:
    connect(site).set(Keys(site.site).lease, "host/1/dead", px=500)
    second = new(site)
    assert not second.acquire(0)
    assert not second.acquire(5, cancelled=lambda: True)
    assert second.acquire(5)
    second.close()


def test_a_lease_that_somebody_else_took_is_lost(site: Site, server: EmbeddedServer) -> None:
    first = new(site)
    assert first.acquire(0)
    connect(site).set(Keys(site.site).lease, "host/1/thief", px=60_000)
    assert first.lost.wait(5)
    assert not first.valid
    first.close()
    assert new(site).holder() == "host/1"  # the thief's is left alone


def test_a_restart_of_redis_keeps_the_lease(site: Site, server: EmbeddedServer) -> None:
    first = new(site)
    assert first.acquire(0)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_for(lambda: not first.valid)  # away for longer than it lasts
    assert not first.lost.is_set()
    with pytest.raises(redis.RedisError):
        new(site).acquire(0)
    server.start()
    assert wait_for(lambda: first.valid)
    assert not new(site).acquire(0)
    first.close()


def test_a_holder_known_to_be_dead_is_not_waited_for(site: Site, server: EmbeddedServer) -> None:
    dead = new(site)
    connect(site).set(Keys(site.site).lease, dead.token, px=60_000)
    assert not new(site).acquire(0)
    heir = Lease(connect(site), Keys(site.site), former=dead.token)
    assert heir.acquire(0)
    assert heir.holder() == f"{dead.token.rpartition('/')[0]}"
    assert not dead.acquire(0)  # should it live all the same
    heir.close()
