"""A small stored site, and the application on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient

from pipeline.config import Site
from pipeline.records import Assignment
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site


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
