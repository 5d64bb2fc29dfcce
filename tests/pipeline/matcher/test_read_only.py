"""The disk becomes read-only under matcher, workers and Redis, and writable again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.bus import EmbeddedServer
from pipeline.config import Site
from pipeline.matcher.metrics import STORE_FAULT
from pipeline.matcher.service import run_matcher
from pipeline.store import Store
from tests.endurance.disk import Disk
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.matcher.test_forgetting import Worker, stored
from tests.pipeline.matcher.test_service import running, until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "data", 64)
    if not disk.turns:
        disk.close()
        pytest.skip("it takes root and /dev/fuse")
    yield disk
    disk.close()


@pytest.fixture(params=["beside", "elsewhere"])
def placed(
    request: pytest.FixtureRequest, disk: Disk, site: Site, tmp_path: Path
) -> Iterator[Site]:
    """The site, whose Redis keeps its file on the same disk, or on another one."""
    if request.param == "beside":
        place = site
    else:
        place = site.model_copy(update={"data_dir": tmp_path / "elsewhere"})
        site = site.model_copy(update={"redis": f"unix://{place.redis_socket}"})
    server = EmbeddedServer(place)
    server.start()
    yield site
    server.stop()


def test_nothing_is_lost_and_all_goes_on(
    disk: Disk, placed: Site, encoder: tuple[Path, str], capfd: pytest.CaptureFixture[str]
) -> None:
    site = placed
    with ExitStack() as stack:
        workers = [Worker(site, index, encoder[1], stack) for index in range(3)]
        with running(run_matcher, site):
            for worker in workers:
                worker.put(but=len(worker._groups) - 2)
            until(lambda: len(stored(site)) > 0)
            with disk.read_only():
                putting = [threading.Thread(target=worker.put) for worker in workers]
                for thread in putting:
                    thread.start()
                if site.redis != "embedded":  # else it may refuse before the matcher has anything
                    assert wait_for(lambda: STORE_FAULT._value.get() == 1, 60)
                assert wait_for(lambda: all(w.publisher.stats.error for w in workers), 60)
                errors = {w.publisher.stats.error for w in workers}
                assert all("Read-only file system" in error for error in errors), errors
                assert all(w.publisher.stats.dropped == 0 for w in workers)
            for thread in putting:
                thread.join(120)
                assert not thread.is_alive()
            assert wait_for(lambda: STORE_FAULT._value.get() == 0, 60)
    with Store.open(site.store_url, read_only=True) as store:
        counts = store.counts()
    assert counts.updates == sum(len(worker.updates) for worker in workers)
    assert (counts.duplicates, counts.missing) == (0, 0)
    if site.redis != "embedded":
        said = capfd.readouterr()
        assert f"{site.data_dir}: Read-only file system" in said.out + said.err
