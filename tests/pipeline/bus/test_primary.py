"""Several servers that stand in for each other: real Sentinels, a real cluster, real deaths."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bus import Consumer, Keys, Publisher, check_login, connect
from pipeline.bus.connection import primary
from pipeline.bus.primary import Cluster, parse
from pipeline.config import Camera, Site
from pipeline.errors import CamtrailError
from tests.pipeline.bus.samples import Store, put, wait_for
from tests.pipeline.bus.servers import CLUSTERED, NAME, Nodes, Server, Watched

SLOT = Cluster((), {}, "yard").slot


def site_at(folder: Path, url: str) -> Site:
    camera = Camera(source="gate.mp4")  # type: ignore[call-arg]
    return Site(site="yard", data_dir=folder, redis=url, cameras={"gate": camera})


def store_at(site: Site) -> Store:
    return Store(Consumer(connect(site), Keys(site.site), "matcher"))


def read_until(store: Store, publisher: Publisher, seconds: float = 60) -> bool:
    """As the matcher does it: opens anew after an error, until all that was put is committed."""

    def step() -> bool:
        try:
            store.consumer.open()
            store.consumer.announce(store.positions)
            while store.step():
                pass
        except redis.RedisError:
            return False
        return publisher.wait_committed(0.1)

    return wait_for(step, seconds)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched(tmp_path / "redis") as watched:
        yield watched


def test_what_a_failed_over_redis_has_forgotten_is_sent_again(
    watched: Watched, tmp_path: Path
) -> None:
    site = site_at(tmp_path, watched.url)
    store = store_at(site)
    with Publisher(site, "gate") as publisher:
        count = put(publisher, 5)
        assert read_until(store, publisher)
        watched.pause_replication()
        count += put(publisher, 5, first=6)
        assert publisher.wait_sent(30)  # the primary has acknowledged them; nobody has read them
        dead = watched.fail_over()
        count += put(publisher, 5, first=11)
        assert read_until(store, publisher)
        assert store.numbers(publisher.run) == list(range(1, count + 1))
        dead.start()  # believes that it leads, until the Sentinels tell it otherwise
        count += put(publisher, 5, first=16)
        assert read_until(store, publisher)
        assert store.numbers(publisher.run) == list(range(1, count + 1))


@pytest.mark.slow
def test_a_primary_that_hung_and_wakes_up_as_a_replica_is_left(
    watched: Watched, tmp_path: Path
) -> None:
    site = site_at(tmp_path, watched.url)
    client = connect(site)
    old, new = watched.primary(), watched.replica()
    client.set("key", "first")
    old.signal(signal.SIGSTOP)
    assert wait_for(lambda: watched.primary() is new and new.leads(), 60)
    old.signal(signal.SIGCONT)
    assert wait_for(lambda: not old.leads(), 60)

    def writes() -> bool:
        try:
            return bool(client.set("key", "second"))
        except redis.RedisError:
            return False

    assert wait_for(writes, 60)
    assert new.command("GET", "key") == b"second"


def test_a_site_lies_on_one_primary_of_a_cluster_and_goes_on_when_that_dies(
    tmp_path: Path,
) -> None:
    with Nodes(tmp_path / "redis", SLOT) as nodes:
        site = site_at(tmp_path, nodes.url)
        store = store_at(site)
        with Publisher(site, "gate") as publisher:
            count = put(publisher, 5)
            assert read_until(store, publisher)
            assert nodes.owner.command("XLEN", Keys("yard").tracklets) == count
            nodes.owner.kill()
            count += put(publisher, 5, first=6)
            assert read_until(store, publisher)
        assert store.numbers(publisher.run) == list(range(1, count + 1))
        nodes.replica.kill()  # now nobody has the slot
        with pytest.raises(redis.ConnectionError):
            connect(site).ping()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(
        tmp_path / "redis",
    )
    server.start()
    yield server
    server.kill()


def complaint(site: Site) -> str:
    with pytest.raises(redis.RedisError) as caught:
        connect(site).ping()
    text = str(caught.value)
    assert "\n" not in text
    assert "secret" not in text
    return text


def test_a_server_that_is_no_sentinel_and_no_node_says_so(server: Server, tmp_path: Path) -> None:
    at = server.address
    assert complaint(site_at(tmp_path, f"redis+sentinel://{at}/x")) == f"{at} is no Sentinel"
    assert complaint(site_at(tmp_path, f"redis+cluster://{at}")) == f"{at} is no node of a cluster"


def test_a_wrong_password_a_name_that_no_sentinel_knows_and_sentinels_that_are_away(
    watched: Watched, tmp_path: Path
) -> None:
    url = watched.url.replace("//", "//worker:secret@")
    with pytest.raises(redis.AuthenticationError, match="invalid username-password pair"):
        connect(site_at(tmp_path, url)).ping()
    url = watched.url.replace(NAME, "other")
    assert "knows no primary 'other'" in complaint(site_at(tmp_path, url))
    for sentinel in watched.sentinels[:2]:
        sentinel.kill()
    assert connect(site_at(tmp_path, watched.url)).ping()  # the third one knows
    watched.sentinels[2].kill()
    text = complaint(site_at(tmp_path, watched.url))
    assert all(sentinel.address in text for sentinel in watched.sentinels)


def test_nodes_that_all_refuse_the_password_are_not_away(tmp_path: Path) -> None:
    server = Server(tmp_path, CLUSTERED, "--requirepass right-secret")
    server.start()
    try:
        site = site_at(tmp_path, f"redis+cluster://:wrong-secret@{server.address}")
        with pytest.raises(CamtrailError, match="refuses the user or password of `redis:`"):
            check_login(site)
    finally:
        server.kill()
    check_login(site)  # now it is away, which is no reason not to wait for it


def test_a_cluster_whose_slots_nobody_serves(tmp_path: Path) -> None:
    server = Server(tmp_path, CLUSTERED)
    server.start()
    try:
        text = complaint(site_at(tmp_path, f"redis+cluster://{server.address}"))
        assert f"the cluster is down: by {server.address}, nobody serves slot {SLOT}" in text
    finally:
        server.kill()


HOSTS = st.lists(
    st.tuples(st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True), st.integers(1, 65535)),
    min_size=1,
    max_size=4,
)
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1)


@settings(max_examples=25)
@given(HOSTS, SECRETS, SECRETS, st.sampled_from(["", "s"]))
def test_urls_of_several_servers(
    hosts: list[tuple[str, int]], user: str, password: str, tls: str
) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    places = ",".join(f"{host}:{port}" for host, port in hosts)
    sentinel = parse(f"redis{tls}+sentinel://{login}@{places}/main?sentinel_password=x%26y")
    cluster = parse(f"redis{tls}+cluster://{login}@{places}")
    assert sentinel is not None
    assert cluster is not None
    assert (sentinel.name, sentinel.asking) == ("main", {"password": "x&y"})
    for found in (sentinel, cluster):
        assert found.asked == tuple(hosts)
        assert found.login == {"username": user, "password": password}
        assert found.tls == bool(tls)
        assert repr(found) == repr(replace(found, login={}, asking={}))


def test_ports_have_their_defaults() -> None:
    found = parse("redis+sentinel://one,[::1],two:7/main")
    assert found is not None
    assert found.asked == (("one", 26379), ("::1", 26379), ("two", 7))


@pytest.mark.parametrize(
    "rest",
    [
        "sentinel://one:26379",
        "sentinel:///main",
        "sentinel://one:0/main",
        "sentinel://one:70000/main",
        "sentinel://one,,two/main",
        "sentinel://one/main/1",
        "sentinel://one/main?colour=red",
        "cluster://one:7000/0",
        "cluster://one?sentinel_user=x",
        "cluster://",
    ],
)
def test_urls_that_cannot_be_understood(tmp_path: Path, rest: str) -> None:
    kind = rest.partition(":")[0]
    site = site_at(tmp_path, "redis+" + rest.replace("one", "u:hunter2@one", 1))
    for use in (connect, primary):
        with pytest.raises(CamtrailError, match=rf"redis\+{kind}://.*cannot be understood") as e:
            use(site)
        assert f"expected redis+{kind}://[USER" in str(e.value)
        assert "hunter2" not in str(e.value)
