"""The matcher on a store in PostgreSQL, whose server is killed while it works."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.bus import EmbeddedServer
from pipeline.config import Site
from pipeline.matcher.service import run_matcher
from pipeline.store import Store
from tests.pipeline.matcher.test_service import Cameras, running, stored, until
from tests.postgresql import Server


@pytest.fixture
def there(site: Site, postgresql: Server, encoder_fact: str) -> Site:
    """The site with its store in the server."""
    there = site.model_copy(update={"store": postgresql.empty()})
    with Store.open(there.store_url) as store:
        store.remember("encoder", encoder_fact)
    return there


def test_everything_is_stored_once_whenever_the_server_dies(
    there: Site, postgresql: Server, server: EmbeddedServer, encoder: tuple[Path, str]
) -> None:
    def committed() -> int:
        with Store.open(there.store_url, read_only=True) as store:
            return store.counts().updates

    with ExitStack() as stack:
        cameras = Cameras(there, encoder[1], stack)
        postgresql.kill()
        with running(run_matcher, there, until_end=True) as (thread, _):
            for camera in "abc":
                cameras.put(camera, 3)
            postgresql.start()  # the matcher has waited for it
            for part in range(3):
                before = committed()
                for camera in "abc":
                    cameras.put(camera, 5)
                until(lambda: committed() > before)  # noqa: B023 - called at once
                for camera in "abc":
                    cameras.put(camera, 4 if part < 2 else 10_000)
                postgresql.kill()
                postgresql.start()
            assert cameras.all_committed()
            thread.join(60)
            assert not thread.is_alive()
        assert stored(there) == cameras.expected()
        with Store.open(there.store_url, read_only=True) as store:
            counts = store.counts()
        assert (counts.updates, counts.missing, counts.duplicates) == (cameras.updates, 0, 0)
