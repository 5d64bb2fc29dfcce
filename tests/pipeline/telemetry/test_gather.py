"""Processes that answer, hang, die; and what is gathered of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config import Camera, Site
from pipeline.errors import CamtrailError
from pipeline.telemetry.answer import answering, clear, folder, leave
from pipeline.telemetry.endpoint import serving
from pipeline.telemetry.gather import ANSWER_SECONDS, ask, gather
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.telemetry.scraped import Scrape, fetch, scrape

# A process of ours that counts to 3 and answers until it is told to end.
PROGRAM = """
import signal, sys, threading
from pathlib import Path
from pipeline.telemetry.answer import answering
from pipeline.telemetry.metrics import HEARTBEAT, counter
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
counter("tests_done", "Tests.", "camera").labels("gate").inc(3)
with answering(Path(sys.argv[1]), sys.argv[2]):
    stop.wait()
"""

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(site="yard", data_dir=tmp_path / "data", cameras={"gate": Camera(source="0")})


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    running = []

    def started(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, str(site.data_dir), name]
        running.append(subprocess.Popen(command))
        own = folder(site.data_dir)
        assert wait_for(lambda: ask(own, name), 60)
        return running[-1]

    yield started
    for process in running:
        process.kill()
        process.wait()


def up(site: Site) -> dict[str, float]:
    found = Scrape(gather(site).decode())
    return {
        dict(s.labels)["process"]: v for s, v in found.samples.items() if s.name == "process_up"
    }


def test_each_says_its_own_and_all_are_one_answer(site: Site, start: Start) -> None:
    start("worker-gate")
    start("worker-lobby")
    text = gather(site).decode()
    assert text.count("# TYPE camtrail_tests_done_total counter") == 1
    found = Scrape(text)
    for name in ("worker-gate", "worker-lobby"):
        assert found.all("tests_done_total", site="yard", process=name, camera="gate") == [3.0]
    assert found.sum("process_resident_memory_bytes", process="worker-gate") > 2**20


def test_one_that_was_killed_is_down_until_its_successor_answers(site: Site, start: Start) -> None:
    first = start("matcher")
    first.kill()
    first.wait()
    assert up(site) == {"matcher": 0.0}
    second = start("matcher")
    assert up(site) == {"matcher": 1.0}
    second.terminate()
    second.wait()
    assert up(site) == {}  # it ended in order


def test_two_of_one_name_have_two_places(site: Site) -> None:
    with answering(site.data_dir, "matcher"), answering(site.data_dir, "matcher"):
        assert up(site) == {"matcher": 1.0, "matcher-2": 1.0}


def test_one_that_hangs_is_down_and_holds_nobody_up(site: Site, start: Start) -> None:
    hanging = [start(f"worker-{number}") for number in range(2)]
    with answering(site.data_dir, "matcher"):
        for process in hanging:
            process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert up(site) == {"matcher": 1.0, "worker-0": 0.0, "worker-1": 0.0}
        assert time.monotonic() - began < 2 * ANSWER_SECONDS  # not one after the other
        for process in hanging:
            process.send_signal(signal.SIGCONT)
        assert wait_for(lambda: set(up(site).values()) == {1.0}, 60)


def test_what_is_gone_for_good_is_cleared_and_what_runs_is_not(site: Site, start: Start) -> None:
    killed = start("worker-gate")
    killed.kill()
    killed.wait()
    with answering(site.data_dir, "matcher"):
        clear(site.data_dir)
        assert up(site) == {"matcher": 1.0}


def test_what_one_counted_that_has_done_its_work_stays(site: Site, start: Start) -> None:
    start("worker-gate").terminate()
    own = folder(site.data_dir)
    assert wait_for(lambda: up(site) == {})
    leave(site.data_dir, "worker-gate")
    counted = 'process_cpu_seconds_total{process="worker-gate",site="yard"}'
    text = gather(site).decode()
    assert counted in text
    assert "resident_memory" not in text  # which it has no more
    assert "process_up{" not in text
    with answering(site.data_dir, "worker-gate"):  # the next one counts from 0
        assert gather(site).decode().count(counted) == 1
    leave(site.data_dir, "worker-gate")
    clear(site.data_dir)
    assert not list(own.glob("*.last"))


def test_what_cannot_be_answered_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("no folder")
    with answering(tmp_path / "data", "matcher"):
        pass
    assert "no metrics of this process" in capsys.readouterr().out


def test_only_the_owner_can_ask(site: Site) -> None:
    with answering(site.data_dir, "matcher"):
        assert folder(site.data_dir).stat().st_mode & 0o077 == 0


def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    data_dir = tmp_path / ("x" * 120)
    site = Site(site="yard", data_dir=data_dir, cameras={"gate": Camera(source="0")})
    with answering(data_dir, "matcher"):
        assert up(site) == {"matcher": 1.0}


def answer(address: str, path: str, host: str) -> int:
    request = urllib.request.Request(address.replace("/metrics", path), headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_endpoint_gives_metrics_and_nothing_else_to_nobody_elses_page(site: Site) -> None:
    with answering(site.data_dir, "matcher"), serving(site, "127.0.0.1:0") as address:
        assert scrape(address).all("process_up", process="matcher") == [1.0]
        assert "# HELP camtrail_process_up" in fetch(address)
        for host in ("127.0.0.1:1234", "localhost"):
            assert answer(address, "/metrics", host) == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "[", "10.0.0.1"):
            assert answer(address, "/metrics", host) == 403
        for path in ("/", "/metrics/..", "/etc/passwd", "/metrics%2f"):
            assert answer(address, path, "127.0.0.1") == 404
        host, port = address.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=20) as rude:
            rude.sendall(b"\x00\xff\r\n\r\n")
            rude.recv(100)
        with socket.create_connection((host, int(port)), timeout=20) as gone:
            gone.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert scrape(address).all("process_up", process="matcher") == [1.0]


def test_a_port_that_is_taken_is_said(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(CamtrailError, match=r"telemetry\.metrics: cannot listen"),
            serving(site, f"127.0.0.1:{port}"),
        ):
            pass


def test_it_listens_on_both_kinds_of_loopback(site: Site) -> None:
    if not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110
        pytest.skip("needs IPv6")
    site.data_dir.mkdir()
    with serving(site, "[::1]:0") as address:
        assert address.startswith("http://[::1]:")
        assert scrape(address).sum("disk_size_bytes") > 0
