"""What is too old goes from disk, and the gallery follows."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.bus import EmbeddedServer
from pipeline.config import Retention, Site
from pipeline.matcher import expiry
from pipeline.matcher.expiry import Expiry
from pipeline.matcher.service import run_matcher
from pipeline.records import TrackletKey
from pipeline.store import Store
from tests.pipeline.matcher.test_corrections import Desk, messages, state
from tests.pipeline.matcher.test_forgetting import Worker, found, needles, rewrite, stored
from tests.pipeline.matcher.test_service import running, until

DAY = 86_400.0


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    with Store.open(f"sqlite:///{tmp_path / 'camtrail.sqlite'}") as store:
        yield Desk(store)


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_the_gallery_is_what_a_restart_would_make_it(
    desk: Desk, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.feed(messages())
    ends = sorted(v.end for i in desk.identities() for v in desk.store.visits(i))
    oldest = ends[int(share * (len(ends) - 1))]
    monkeypatch.setattr(expiry.time, "time", lambda: oldest + DAY)
    before = len(desk.whose())
    housekeeping = Expiry(Retention(tracklets_days=1.0), desk.store, desk.engine)  # type: ignore[call-arg]
    assert not housekeeping.step()
    assert housekeeping.step()  # nothing more is due: what was deleted is overwritten
    assert not housekeeping.step()  # until the next sweep
    assert 0 < len(desk.whose()) < before
    assert state(Desk(desk.store))["gallery"] == state(desk)["gallery"]
    assert state(Desk(desk.store))["given"] == state(desk)["given"]


def test_nothing_too_old_is_on_the_disk(
    site: Site, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    with ExitStack() as stack:
        workers = [Worker(site, index, encoder[1], stack) for index in range(3)]
        with running(run_matcher, site):
            for worker in workers:
                worker.put()
            until(lambda: len(stored(site)) > 3)
    with Store.open(site.store_url, read_only=True) as store:
        open_keys = {t.updates[0].update.key for t in store.snapshot().tracklets}
        newest = newest_decision(store)
    kept = open_keys | {newest}
    updates = [u for w in workers for u in w.updates]
    gone = {n for u in updates if u.key not in kept for n in needles(u)}
    assert {name.partition("/")[0] for name in found(site, gone)} >= {"spool", "redis", "crops"}
    limited = site.model_copy(update={"retention": Retention(tracklets_days=1.0)})  # type: ignore[call-arg]
    with running(run_matcher, limited):
        until(lambda: keys(site) <= kept)
        deadline = time.monotonic() + 120
        rewrite(site)
        while left := still_found(site, gone):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
    assert newest in keys(site)


def keys(site: Site) -> set[TrackletKey]:
    with Store.open(site.store_url, read_only=True) as store:
        return {row.key for camera in site.cameras for row in store.tracks(camera)}


def still_found(site: Site, sought: set[bytes]) -> set[str]:
    try:
        return found(site, sought)
    except FileNotFoundError:  # Redis, or a worker, wrote a file anew meanwhile
        return {"a file that has just gone"}


def newest_decision(store: Store) -> Any:
    with store._engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT t.camera, t.run, t.track FROM events e JOIN tracklets t ON t.id = e.tracklet "
            "ORDER BY e.id DESC LIMIT 1"
        ).one()
    return tuple(row)
