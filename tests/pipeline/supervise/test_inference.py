"""`camtrail run` where one process runs the networks of all cameras."""

from __future__ import annotations

from pathlib import Path

from pipeline.records import CameraState
from pipeline.store import Store
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.live import small_site, stored_updates
from tests.pipeline.run import Run
from tests.pipeline.supervise.test_site import published

SECONDS = 6
KILLS = 2


def test_no_frame_is_lost_and_no_worker_dies_where_the_inference_process_is_killed(
    tmp_path: Path,
) -> None:
    path, site = small_site(tmp_path, SECONDS)
    path.write_text(path.read_text() + "inference: shared\n")
    run = Run(path, "--until-end")
    try:
        for kill in range(KILLS):
            # It has answered since it was started: there is more than each camera's first word.
            assert wait_for(lambda kill=kill: published(site) > 4 * (kill + 1), 180)
            run.kill_and_wait_for_restart("inference")
        assert run.process.wait(240) == 0
        assert run.all_gone()
    finally:
        run.end()
    assert len(run.pids("inference")) == KILLS + 1
    assert {name: len(run.pids(name)) for name in site.cameras} == dict.fromkeys(site.cameras, 1)
    store = Store.open(site.store_url, read_only=True)
    for record in store.cameras():
        assert (record.state, record.frames) == (CameraState.ENDED, SECONDS * 10)
    counts = store.counts()
    assert (counts.duplicates, counts.missing, counts.undecided) == (0, 0, 0)
    updates = stored_updates(site)
    assert len(updates) == len(set(updates)) > 8
    worker_log = (site.data_dir / "logs" / f"worker-{next(iter(site.cameras))}.log").read_text()
    assert "the inference process is gone; waiting for it" in worker_log
