"""Workers that say nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Camera, Site
from pipeline.supervise import supervisor as module
from pipeline.supervise.supervisor import Supervisor
from tests.pipeline.bus.samples import wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of programs that do nothing."""
    monkeypatch.setattr(module, "_command", lambda *_: SLEEP)
    cameras = {"gate": Camera(source="rtsp://127.0.0.1:9/none")}
    made = Supervisor(
        Site(site="yard", data_dir=tmp_path, cameras=cameras), tmp_path / "x.yaml", until_end=False
    )
    made.start()
    yield made
    made.kill()


def test_one_that_does_not_begin_is_killed_late_and_told_of_once(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_HUNG_SECONDS", 0.0)
    (worker,) = supervisor._workers
    worker.policy.base = 0.01

    def known() -> bool:
        supervisor.poll()
        assert supervisor._status is not None
        return supervisor._status.silent(worker)[0] > 0

    assert wait_for(known, 60)
    assert not worker.killed  # it may still be importing
    pid = worker.pid
    monkeypatch.setattr(module, "_BEGIN_SECONDS", 0.0)
    for _ in range(200):  # it takes a while to die
        supervisor.poll()
        if worker.pid != pid:
            break
    monkeypatch.setattr(module, "_BEGIN_SECONDS", 900.0)
    assert wait_for(lambda: bool(supervisor.poll()) or worker.restarts == 1, 60)
    said = capfd.readouterr()
    assert (said.out + said.err).count("does not begin, killed") == 1
