from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.alive import check
from pipeline.bus import EmbeddedServer, Keys, Publisher, connect
from pipeline.config import Camera, Site
from pipeline.errors import CamtrailError
from pipeline.records import CameraHealth
from tests.pipeline.bus.samples import wait_for


def is_alive(site: Site, camera: str | None) -> bool:
    try:
        check(site, camera)
    except CamtrailError as error:
        if "has said nothing for 15 seconds" not in str(error):
            raise
        return False
    return True


def test_alive_is_who_has_said_something_lately(tmp_path: Path) -> None:
    cameras = {name: Camera(source=f"{name}.mp4") for name in ("gate", "hall")}
    site = Site(site="yard", data_dir=tmp_path, cameras=cameras)
    assert check(site, "gate") == "Redis cannot be asked (ConnectionError); nobody can know"
    server = EmbeddedServer(site)
    server.start()
    try:
        assert not is_alive(site, "gate")
        assert not is_alive(site, None)
        with Publisher(site, "gate") as publisher:
            publisher.report(CameraHealth("gate", publisher.run, 1, "running"))
            assert wait_for(lambda: is_alive(site, "gate"))
        assert not is_alive(site, "hall")
        client = connect(site)
        client.hset(Keys(site.site).matcher, "identities", 1)
        client.close()
        assert is_alive(site, None)
        with pytest.raises(CamtrailError, match="there is no camera 'roof'"):
            check(site, "roof")
    finally:
        server.stop()
