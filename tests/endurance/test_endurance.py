"""The programs in their short forms, and what they are made of, so that they cannot rot."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endurance.chaos import chaos
from tests.endurance.day import day
from tests.endurance.disk import Disk
from tests.endurance.failover import failovers, write_site
from tests.endurance.link import SIDES, Link, why_not
from tests.endurance.namespaces import two_hosts
from tests.endurance.relay import Relay
from tests.endurance.sampling import growth
from tests.endurance.watch import Sight, Watch
from tests.endurance.workers import work
from tests.endurance.world import Options
from tests.pipeline.bus.servers import Watched
from tests.pipeline.camera.rtsp import need_gstreamer

SOUND = {"lost": 0, "doubled": 0, "gaps": 0, "identities other than in a replay": 0}
needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=why_not())
PACKET = b"$\x00" + (1000).to_bytes(2, "big") + bytes(1000)


def verdict(result: dict[str, object]) -> dict[str, object]:
    return {name: result[name] for name in SOUND}


def figure(result: dict[str, object], name: str) -> dict[str, float]:
    return next(row for row in result["figures"] if row["figure"] == name)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_six_minutes_of_a_day(tmp_path: Path) -> None:
    result = day(write_site(tmp_path, 3, "embedded"), 360, people=6, seed=4)
    assert verdict(result) == SOUND
    assert result["updates published"] == result["updates stored"] > 300
    assert result["identities"] > 0
    assert figure(result, "stream entries")["at the end"] == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_failover_loses_nothing(tmp_path: Path) -> None:
    with Watched(tmp_path / "redis") as redis:
        path = write_site(tmp_path, 3, redis.url)
        result = failovers(path, redis, people=8, rate=4, seed=5, minutes=0.3)
    assert verdict(result) == SOUND
    assert result["failovers"] >= 1
    assert result["acknowledged messages that vanished"] > 0


@pytest.mark.slow
@needs_namespaces
@pytest.mark.timeout(900)
def test_a_link_that_was_cut_drains_in_order(tmp_path: Path) -> None:
    phases = [("slow", (0.1, 0.0), 4.0), ("lossy", (0.005, 0.1), 4.0), ("cut", (0.0, 1.0), 6.0)]
    result = two_hosts(tmp_path, 3, ["8", "4", "6"], phases)
    assert verdict(result) == SOUND
    assert result["out of order"] == 0
    assert result["phases"][2]["updates behind at its end"] > 0


@pytest.mark.slow
@pytest.mark.rtsp
@pytest.mark.timeout(1800)
def test_a_minute_of_chaos(tmp_path: Path) -> None:
    need_gstreamer()
    options = Options(cameras=2, fps=2, seed=77, minutes=1, film_seconds=15)
    result = chaos(tmp_path, options, every=5)
    assert verdict(result) == SOUND
    assert result["faults inflicted"] > 0
    assert all(row["never"] == 0 for row in result["faults"])


@pytest.mark.slow
@pytest.mark.rtsp
@pytest.mark.timeout(1800)
def test_a_minute_of_real_workers(tmp_path: Path) -> None:
    need_gstreamer()
    options = Options(cameras=2, fps=2, seed=78, minutes=1, film_seconds=15, inference="shared")
    result = work(tmp_path, options)
    assert verdict(result) == SOUND
    assert figure(result, "matcher MB")["at the end"] > 0


_ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7007))
print("ready", flush=True)
while True:
    s.sendto(*s.recvfrom(9))
"""
_ASK = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[2]))
began = time.monotonic()
for _ in range(20):
    s.sendto(b"x", (sys.argv[1], 7007))
    try:
        s.recv(1)
    except TimeoutError:
        continue
    print(time.monotonic() - began)
    break
"""


@needs_namespaces
def test_the_link_is_slow_lossy_and_cut() -> None:
    def answered_after(patience: float) -> float | None:
        """Of 20 questions, after how long the first answer came."""
        command = [*link.inside("a"), "python3", "-c", _ASK, SIDES["b"], str(patience)]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        return float(said) if said else None

    with Link() as link:
        command = [*link.inside("b"), "python3", "-c", _ECHO]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            assert answered_after(10) is not None
            link.set(0.3, 0.0)
            assert (answered_after(10) or 0) >= 0.6
            link.set(0.0, 0.5)
            assert answered_after(0.3) is not None
            link.set(0.0, 1.0)
            assert answered_after(0.05) is None
            link.set(0.0, 0.0)
            assert answered_after(10) is not None
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def test_a_disk_of_its_own_is_full_and_is_not(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", 1)
    if not disk.there:
        pytest.skip("only root may mount")
    try:
        with disk.full(), pytest.raises(OSError, match="No space left"):
            (tmp_path / "disk" / "file").write_bytes(b"x")
        (tmp_path / "disk" / "file").write_bytes(b"x")
    finally:
        disk.close()


def test_a_disk_of_its_own_is_read_only_under_those_who_write(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", 1)
    try:
        if not disk.turns:
            pytest.skip("it takes root and /dev/fuse")
        path = tmp_path / "disk" / "file"
        with path.open("ab", buffering=0) as file:
            file.write(b"before ")
            with disk.read_only():
                for change in (lambda: file.write(b"x"), path.unlink, path.with_name("n").touch):
                    with pytest.raises(OSError, match="Read-only file system"):
                        change()
            file.write(b"after")
        assert path.read_bytes() == b"before after"
    finally:
        disk.close()


@pytest.fixture
def camera() -> Iterator[int]:
    """The port of one that sends ten packets to whoever asks."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(100):
                self.request.sendall(b"RTSP/1.0 200 OK\r\n\r\n" + 10 * PACKET)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def answer(relay: Relay, wait: float = 0.5) -> bytes:
    with socket.create_connection(("127.0.0.1", relay.port)) as client:
        client.sendall(b"?")
        client.settimeout(wait)
        found = b""
        try:
            while part := client.recv(2**16):
                found += part
        except TimeoutError:
            pass
        return found


def test_a_relay_spoils_what_passes_as_it_is_told(camera: int) -> None:
    relay = Relay(camera, 1)
    whole = b"RTSP/1.0 200 OK\r\n\r\n" + 10 * PACKET
    assert answer(relay) == whole
    with relay.spoilt("stall"):
        assert answer(relay) == b""
    with relay.spoilt("drop"):
        assert 0 < (len(whole) - len(answer(relay))) // len(PACKET) < 10
    with relay.spoilt("corrupt"):
        spoilt = answer(relay)
        assert len(spoilt) == len(whole)
        assert spoilt[19:23] == PACKET[:4]  # the framing stays
        assert spoilt != whole
    with relay.spoilt("garbage"):
        assert b"RTSP" not in answer(relay)
    assert answer(relay) == whole
    relay.close()


def test_recovery_and_pause_as_the_store_shows_them() -> None:
    watch = Watch(Path("none"))
    watch._sights["gate"] = [Sight(1.0, 101.0, 10), Sight(2.0, 102.0, 20), Sight(5.0, 104.5, 30)]
    assert watch.recovered("gate", 1.5, 101.5) == 0.5
    assert watch.recovered("gate", 1.5, 102.0) == 3.5  # what came first was captured before
    assert watch.recovered("gate", 1.5, 105.0) is None
    assert watch.recovered("hall", 1.5, 101.5) is None
    assert watch.pause("gate", 0.5, 6.0) == 3.0


def test_growth_is_what_comes_after_the_first_tenth() -> None:
    samples = [{"keys": float(n)} for n in (9, 2, 3, 4, 5, 6, 7, 5, 3, 4)]
    [row] = growth(samples)
    assert row == {
        "figure": "keys",
        "at 10 %": 2,
        "at 50 %": 6,
        "at the end": 4,
        "largest since 10 %": 7,
    }
