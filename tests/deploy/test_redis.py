"""The users of Redis, as compose.yaml starts it: a real server, and what each of them may."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from pipeline import config
from pipeline.bus import Keys, Publisher, ask, connect
from pipeline.bus.server import find_server
from pipeline.config import Site, load_site
from pipeline.errors import CamtrailError
from pipeline.matcher.service import run_matcher
from pipeline.records import CameraHealth
from tests.deploy.manifests import DEPLOY, containers, documents, read
from tests.pipeline.bus.samples import progress, wait_for

ROLES = ("worker", "matcher", "viewer")
PASSWORD = re.compile(r"\$\{REDIS_(\w+)_PASSWORD:\?\}|\$\(REDIS_(\w+)_PASSWORD\)")


def arguments(command: list[str]) -> list[str]:
    """With passwords in it, as compose and Kubernetes put them in."""
    return [
        PASSWORD.sub(lambda found: f"secret-{(found[1] or found[2]).lower()}", argument)
        for argument in command
    ]


def users(command: list[str]) -> list[str]:
    return [argument for argument in arguments(command) if argument.startswith("--user ")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose Redis is started with the arguments of compose.yaml, on a socket."""
    command = read(DEPLOY / "compose.yaml")["services"]["redis"]["command"]
    socket = tmp_path / "redis.sock"
    extra = ["--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path)]
    server = subprocess.Popen(
        [find_server(), *arguments(command)[1:], *extra],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_for(lambda: socket.exists() or server.poll() is not None, 200)
        assert server.poll() is None
        yield Site(
            site="yard",
            data_dir=tmp_path / "data",
            redis=f"unix://{socket}",
            encoder=config.Encoder(device="cpu"),
            cameras={"gate": config.Camera(source="gate.mp4")},
        )
    finally:
        server.kill()
        server.wait()


def of(site: Site, role: str) -> Site:
    """The site as the process of a role reads it."""
    url = site.redis.replace("unix://", f"unix://{role}:secret-{role}@")
    return site.model_copy(update={"redis": url})


def test_messages_reach_the_store_and_the_viewer_its_answers(site: Site) -> None:
    stop = threading.Event()
    matcher = threading.Thread(target=run_matcher, args=(of(site, "matcher"), stop))
    matcher.start()
    try:
        viewer, keys = connect(of(site, "viewer")), Keys(site.site)
        with Publisher(of(site, "worker"), "gate") as publisher:
            publisher.put([progress(publisher.run, seq) for seq in range(1, 4)])
            assert publisher.wait_committed(200)
            publisher.report(CameraHealth("gate", publisher.run, 1, "running"))
            assert wait_for(lambda: viewer.exists(keys.health("gate")), 200)
        assert wait_for(lambda: viewer.hgetall(keys.matcher), 200)
        viewer.set(keys.watched("gate"), 1, ex=5)
        assert connect(of(site, "worker")).exists(keys.watched("gate"))
        with pytest.raises(CamtrailError, match="identity 7"):  # it answers: there is no such
            ask(viewer, keys, "rename", "Ada", {"identity": 7, "name": "Bob"}, seconds=200)
    finally:
        stop.set()
        matcher.join(60)
    assert not matcher.is_alive()


FORBIDDEN = {
    "worker": [
        ("HGETALL", "camtrail:{yard}:matcher"),
        ("XADD", "camtrail:{yard}:requests", "*", "m", "1"),
        ("HSET", "camtrail:{yard}:committed", "gate", "9:9"),
        ("DEL", "camtrail:{yard}:lease"),
        ("EVAL", "return 1", "0"),
    ],
    "matcher": [("SET", "another:site", "1"), ("FLUSHDB",)],
    "viewer": [
        ("XADD", "camtrail:{yard}:tracklets", "*", "m", "1"),
        ("SET", "camtrail:{yard}:lease", "me"),
        ("DEL", "camtrail:{yard}:tracklets"),
        ("EVAL", "return 1", "0"),
    ],
}
EVERYBODY = [("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("SHUTDOWN",)]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_more_than_the_role_needs(site: Site, role: str) -> None:
    client = connect(of(site, role))
    assert client.ping()
    for command in [*FORBIDDEN[role], *EVERYBODY]:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.publish("another:channel", b"x")


def test_who_does_not_log_in_may_nothing(site: Site) -> None:
    for command in (("PING",), ("HGETALL", Keys("yard").matcher), ("INFO",)):
        with pytest.raises(redis.exceptions.AuthenticationError):
            connect(site).execute_command(*command)
    url = site.redis.replace("unix://", "unix://worker:guess@")
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect(site.model_copy(update={"redis": url})).ping()


def test_kubernetes_and_the_chart_give_the_same_users() -> None:
    wanted = users(read(DEPLOY / "compose.yaml")["services"]["redis"]["command"])
    assert len(wanted) == 4
    base = documents((DEPLOY / "kubernetes" / "base" / "redis.yaml").read_text())
    [(_, container)] = containers(base)
    assert users(container["args"]) == wanted
    chart = (DEPLOY / "helm" / "camtrail" / "templates" / "redis.yaml").read_text()
    chart = re.sub(r"^\{\{.*\}\}\n", "", chart, flags=re.MULTILINE)  # whether it is deployed
    chart = re.sub(r"\{\{.*?\}\}", "x", chart)
    [(_, container)] = containers(documents(chart))
    assert users(container["args"]) == wanted


def test_the_sites_url_takes_the_user_of_each_role(monkeypatch: pytest.MonkeyPatch) -> None:
    services = read(DEPLOY / "compose.yaml")["services"]
    for role, service in (("worker", "worker-gate"), ("matcher", "matcher"), ("viewer", "viewer")):
        for name, value in services[service]["environment"].items():
            monkeypatch.setenv(name, arguments([str(value)])[0])
        url = load_site(DEPLOY / "site.yaml").redis
        assert url.startswith(f"redis://{role}:secret-{role}@")
