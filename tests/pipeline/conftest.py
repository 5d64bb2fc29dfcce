"""The embedded server of whatever a package's own fixture ``site`` is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.bus import EmbeddedServer
from pipeline.config import Site


@pytest.fixture
def server(site: Site) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(site)
    server.start()
    yield server
    server.stop()
