from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from pipeline.bus import EmbeddedServer, connect
from pipeline.bus.connection import socket_path
from pipeline.config import Camera, Site
from pipeline.errors import CamtrailError
from tests.pipeline.bus.samples import wait_for


def test_what_it_holds_survives_stop_and_kill(site: Site) -> None:
    server = EmbeddedServer(site)
    server.start()
    client = connect(site)
    client.set("a", "1")
    server.stop()
    assert not server.alive
    with pytest.raises(redis.ConnectionError):
        client.get("a")
    server.start()
    assert client.get("a") == b"1"
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert wait_for(lambda: not server.alive)
    server.start()
    assert client.get("a") == b"1"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    server.stop()


def test_only_the_owner_reaches_it(site: Site, server: EmbeddedServer) -> None:
    assert site.redis_socket.stat().st_mode & 0o077 == 0
    assert site.redis_socket.parent.stat().st_mode & 0o077 == 0
    connections = psutil.Process(server.pid).net_connections(kind="inet")
    assert [c for c in connections if c.status == psutil.CONN_LISTEN] == []


def test_a_deep_data_dir_with_spaces(tmp_path: Path) -> None:
    deep = tmp_path / ("a b" * 30) / ("c" * 60)
    site = Site(site="deep", data_dir=deep, cameras={"gate": Camera(source="gate.mp4")})
    server = EmbeddedServer(site)
    server.start()
    client = connect(site)
    link = socket_path(site).parent
    assert link.readlink() == site.redis_socket.parent
    assert client.ping()
    server.stop()
    assert not link.is_symlink()
    server.start()
    assert client.ping()  # by the way that it had
    client.close()
    link.unlink()
    link.symlink_to(tmp_path)
    server.stop()
    with pytest.raises(CamtrailError, match="leads elsewhere"):
        connect(site)
    link.unlink()


def test_a_server_left_behind_is_stopped_before_the_next(
    site: Site, server: EmbeddedServer
) -> None:
    connect(site).set("a", "1")
    second = EmbeddedServer(site)
    second.start()
    assert wait_for(lambda: not server.alive)
    assert connect(site).get("a") == b"1"
    second.stop()


def test_it_dies_with_its_parent(site: Site, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from pipeline.bus import EmbeddedServer\n"
        "from pipeline.config import Camera, Site\n"
        "site = Site(site='yard', data_dir=pathlib.Path(sys.argv[1]), "
        "cameras={'gate': Camera(source='gate.mp4')})\n"
        "server = EmbeddedServer(site); server.start(); print(server.pid, flush=True)\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_a_corrupt_file_is_an_error_with_the_end_of_the_log(site: Site) -> None:
    server = EmbeddedServer(site)
    server.start()
    client = connect(site)
    for i in range(100):
        client.set(f"key{i}", "value")
    server.stop()
    (path,) = (site.redis_socket.parent / "appendonlydir").glob("*.incr.aof")
    data = bytearray(path.read_bytes())
    data[100:140] = b"?" * 40
    path.write_bytes(data)
    with pytest.raises(CamtrailError, match="did not start") as error:
        server.start()
    assert "Bad file format" in str(error.value)
    assert str(site.redis_socket.parent / "redis.log") in str(error.value)


def test_a_data_dir_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    site = Site(
        site="yard", data_dir=tmp_path / "file", cameras={"gate": Camera(source="gate.mp4")}
    )
    with pytest.raises(CamtrailError, match="cannot be started"):
        EmbeddedServer(site).start()


@pytest.mark.parametrize("url", ["redis://host:port/0", "redis://u:secret@host:99999999999/x"])
def test_a_url_that_cannot_be_understood(site: Site, url: str) -> None:
    with pytest.raises(CamtrailError, match="cannot be understood") as error:
        connect(site.model_copy(update={"redis": url}))
    assert "secret" not in str(error.value)
