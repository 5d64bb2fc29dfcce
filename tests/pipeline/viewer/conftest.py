"""A small stored site, and the application on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.bus import EmbeddedServer
from pipeline.config import Site
from pipeline.matcher.service import run_matcher
from pipeline.records import Assignment
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.pipeline.viewer import filmed

API = "/api/v1"


@dataclass(frozen=True)
class Stored:
    """A site, who was stored in it, and a client of its viewer."""

    site: Site
    assignments: list[Assignment]
    client: TestClient


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    folder = tmp_path_factory.mktemp("site")
    site = stored_site.create(folder)
    assignments = stored_site.fill(site, folder)
    with TestClient(create_app(site), "http://localhost") as client:
        yield Stored(site, assignments, client)


@dataclass(frozen=True)
class Running:
    """A site with its matcher, and its viewer."""

    site: Site
    client: TestClient

    def visits(self, identity: int) -> list[dict[str, Any]]:
        answer = self.client.get(f"{API}/identities/{identity}/visits")
        assert answer.status_code in (200, 404), answer.text
        return list(answer.json()["visits"]) if answer.status_code == 200 else []

    def people(self) -> set[int]:
        found = self.client.get(f"{API}/identities").json()["identities"]
        return {person["identity"] for person in found}

    def several(self) -> int:
        """Somebody with more than one visit; the viewer looks once a second who that is."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [i for i in sorted(self.people()) if len(self.visits(i)) > 1]
            return bool(found)

        self.await_(look)
        return found[0]

    def await_(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    site = filmed.create(tmp_path_factory.mktemp("site"), 40)
    server = EmbeddedServer(site)
    server.start()
    stop = threading.Event()
    matcher = threading.Thread(target=run_matcher, args=(site, stop))
    matcher.start()
    try:
        with TestClient(create_app(site), "http://localhost") as client:
            here = Running(site, client)
            here.await_(lambda: client.get(f"{API}/cameras").json()["matcher"])
            yield here
    finally:
        stop.set()
        matcher.join()
        server.stop()
