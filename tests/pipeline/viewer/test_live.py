"""Frames from a worker's sender to the page, through a real Redis."""

from __future__ import annotations

import base64
import io
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import redis
from fastapi.testclient import TestClient
from PIL import Image as Pillow

from pipeline.bus import EmbeddedServer, Keys, Preview, connect
from pipeline.camera.preview import LONGEST_SIDE, PreviewSender
from pipeline.config import Site
from pipeline.records import Frame
from pipeline.viewer.app import create_app
from pipeline.viewer.live import Watcher, _shown
from tests.pipeline import stored_site

DEADLINE = 20.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    return site


def frame(number: int, width: int = 640) -> Frame:
    image = np.full((width // 2, width, 3), (10, 200, 90), np.uint8)
    return Frame("gate", number, 1000.0 + number, image)


def receive(watcher: Watcher, sender: PreviewSender, width: int = 640) -> Preview:
    """The first frame that comes; frames are offered until then, as a worker does."""
    end = time.monotonic() + DEADLINE
    number = 0
    while time.monotonic() < end:
        number += 1
        if sender.watched:
            sender.offer(frame(number, width), {7: np.array([1, 2, 30, 40], np.float32)})
        if found := watcher.read():
            return found[0]
    raise AssertionError("no frame came")


def test_frames_come_while_somebody_watches(site: Site, server: EmbeddedServer) -> None:
    with (
        closing(PreviewSender(site, "gate", stored_site.RUN)) as sender,
        closing(Watcher(site, ["gate"])) as watcher,
    ):
        preview = receive(watcher, sender)
    assert (preview.camera, preview.run) == ("gate", stored_site.RUN)
    assert preview.people == {7: (1.0, 2.0, 30.0, 40.0)}
    assert (preview.width, preview.height) == (640, 320)
    picture = Pillow.open(io.BytesIO(preview.jpeg), formats=["JPEG"])
    assert picture.size == (640, 320)
    assert np.abs(np.asarray(picture).reshape(-1, 3).mean(0) - (90, 200, 10)).max() < 4


def test_large_frames_are_made_smaller_and_boxes_stay(site: Site, server: EmbeddedServer) -> None:
    with (
        closing(PreviewSender(site, "gate", stored_site.RUN)) as sender,
        closing(Watcher(site, ["gate"])) as watcher,
    ):
        preview = receive(watcher, sender, width=2000)
    assert (preview.width, preview.height) == (2000, 1000)
    assert Pillow.open(io.BytesIO(preview.jpeg)).size == (LONGEST_SIDE, LONGEST_SIDE // 2)


def test_nothing_is_sent_when_nobody_watches(site: Site, server: EmbeddedServer) -> None:
    client, keys = connect(site), Keys(site.site)
    with (
        closing(PreviewSender(site, "gate", stored_site.RUN)) as sender,
        closing(Watcher(site, ["gate"])) as watcher,
    ):
        receive(watcher, sender)
        assert 0 < client.ttl(keys.watched("gate")) <= 5
        assert not client.exists(keys.watched("lobby"))  # nobody asked for that camera
        client.delete(keys.watched("gate"))  # as if it had expired
        end = time.monotonic() + DEADLINE
        while sender.watched and time.monotonic() < end:
            time.sleep(0.01)
        assert not sender.watched
    client.close()


def test_it_goes_on_when_redis_comes_back(site: Site, server: EmbeddedServer) -> None:
    with (
        closing(PreviewSender(site, "gate", stored_site.RUN)) as sender,
        closing(Watcher(site, ["gate"])) as watcher,
    ):
        receive(watcher, sender)
        server.stop()
        with pytest.raises((redis.RedisError, OSError)):
            receive(watcher, sender)
        server.start()
        assert receive(watcher, sender).camera == "gate"


def test_the_worker_lives_without_redis(site: Site) -> None:
    with closing(PreviewSender(site, "gate", stored_site.RUN)) as sender:
        assert not sender.watched
        sender.offer(frame(1), {})


def test_the_stream_names_the_people(site: Site, server: EmbeddedServer) -> None:
    """Tracklet 1 of the gate is still worked on, and has an identity."""
    app = create_app(site)
    viewer = app.state.viewer
    with TestClient(app, "http://localhost") as client:
        refused = client.get("/api/v1/live?camera=cellar")
        viewer.streams.count = 8
        full = client.get("/api/v1/live")
    assert refused.status_code == 404
    assert full.status_code == 503
    assert "watch already" in full.json()["detail"]
    known = viewer.records.details.identities_in_view()
    assert {(key.camera, key.track): i for key, i in known.items()} == {
        ("gate", 1): 1,
        ("gate", 2): 3,
        ("gate", 3): 2,
        ("gate", 4): 1,
        ("lobby", 1): 2,
        ("lobby", 2): 1,
    }
    people = {1: (0.0, 0.0, 9.0, 9.0), 99: (1.0, 1.0, 5.0, 5.0)}
    preview = Preview("gate", stored_site.RUN, 1, 5.0, 64, 32, people, b"jpeg")
    shown = _shown(preview, known, {1: "Ada"}, clear=False)
    assert [(p["identity"], p["name"]) for p in shown["people"]] == [(1, "Ada"), (None, None)]
    assert base64.b64decode(shown["image"]) == b"jpeg"
