"""A site with its real embedded server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.bus import Consumer, EmbeddedServer, Keys, connect
from pipeline.config import Camera, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(site="yard", data_dir=tmp_path, cameras={"gate": Camera(source="gate.mp4")})


@pytest.fixture
def consumer(site: Site, server: EmbeddedServer) -> Consumer:
    consumer = Consumer(connect(site), Keys(site.site), "matcher")
    consumer.open()
    return consumer
