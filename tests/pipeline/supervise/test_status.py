from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from pipeline.bus import EmbeddedServer, Keys, Publisher, connect
from pipeline.config import Camera, Site
from pipeline.records import CameraHealth
from pipeline.supervise.process import Process
from pipeline.supervise.status import Status, table
from tests.pipeline.bus.samples import wait_for


def process(name: str, tmp_path: Path, code: str = "import time; time.sleep(60)") -> Process:
    made = Process(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", ends=False)
    made.poll()
    return made


def test_the_table_shows_how_each_camera_is(tmp_path: Path) -> None:
    cameras = {name: Camera(source=f"{name}.mp4") for name in ("gate", "hall")}
    site = Site(site="yard", data_dir=tmp_path, cameras=cameras)
    server = EmbeddedServer(site)
    status = Status(site)
    gate, matcher, standby = (process(n, tmp_path) for n in ("gate", "matcher", "standby"))
    address = "http://127.0.0.1:8600/"
    code = f"import time; print({address!r}, flush=True); print('more'); time.sleep(60)"
    viewer = process("viewer", tmp_path, code)
    assert wait_for(lambda: viewer.announced)
    hall = process("hall", tmp_path, "import sys; sys.exit('hall.mp4: not a video')")
    assert wait_for(hall.poll)

    def shown() -> str:
        console = Console(width=160, record=True, quiet=True)
        with console.capture() as capture:
            console.quiet = False
            console.print(table(site, [gate, hall], [matcher, standby], [viewer], status))
        return capture.get()

    assert wait_for(lambda: status.error)
    assert "Redis: ConnectionError" in shown()
    assert status.silent(gate)[0] < 0  # nobody can know
    server.start()
    with Publisher(site, "gate") as publisher:
        publisher.report(
            CameraHealth("gate", publisher.run, 1, "running", fps=9.96, delay=0.21, tracks=4)
        )
        health = {"pid": matcher.pid, "identities": 12, "undecided": 1, "recall": ""}
        connect(site).hset(Keys(site.site).matcher, mapping=health)
        assert wait_for(lambda: "gate" in status.workers and status.matcher)
    rows = {line.split("│")[1].strip(): line for line in shown().splitlines() if "│" in line}
    assert [cell.strip() for cell in rows["gate"].split("│")[2:9]] == [
        "running",
        "10.0",
        "0.2 s",
        "4",
        "0",
        "0",
        "0",
    ]
    assert "restarting" in rows["hall"]
    assert "hall.mp4: not a video" in rows["hall"]
    assert "identities 12, undecided 1 " in rows["matcher"]
    assert "ready to take over" in rows["standby"]
    silent, began = status.silent(gate)
    assert 0 <= silent < 5
    assert not began  # what was said is another process' word
    assert [cell.strip() for cell in rows["viewer"].split("│")[2::7]] == ["running", address]
    viewer.kill()
    assert wait_for(viewer.poll)
    assert viewer.announced == ""
    assert address not in shown()
    for child in (gate, matcher, standby):
        child.kill()
    status.close()
    server.stop()


def test_a_worker_has_begun_with_its_own_first_word(tmp_path: Path) -> None:
    site = Site(site="yard", data_dir=tmp_path, cameras={"gate": Camera(source="gate.mp4")})
    server = EmbeddedServer(site)
    server.start()
    status = Status(site)
    gate = process("gate", tmp_path)
    with Publisher(site, "gate") as publisher:
        for pid, says in ((1, False), (gate.pid, True)):
            assert pid is not None
            publisher.report(CameraHealth("gate", publisher.run, pid, "running"))
            assert wait_for(lambda pid=pid: status.workers.get("gate", {}).get("pid") == str(pid))
            assert status.silent(gate)[1] is says
    gate.kill()
    status.close()
    server.stop()
