from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.bus import Consumer, EmbeddedServer, Keys, Publisher, connect
from pipeline.config import Camera, Site
from pipeline.footage import digest
from pipeline.records import CameraState, Envelope, Position, Progress
from pipeline.supervise.announce import announce_lost, announce_starting
from tests.pipeline.bus.samples import progress, wait_for


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "hall.mp4").write_bytes(b"")
    cameras = {
        "gate": Camera.model_validate({"source": "gate.mp4", "start": "2026-01-05T08:00:00Z"}),
        "hall": Camera(source=str(tmp_path / "hall.mp4")),
        "door": Camera(source="rtsp://door.example/1"),
    }
    return Site(site="yard", data_dir=tmp_path / "data", cameras=cameras)


@pytest.fixture
def consumer(site: Site) -> Iterator[Consumer]:
    server = EmbeddedServer(site)
    server.start()
    consumer = Consumer(connect(site), Keys(site.site), "matcher")
    consumer.open()
    yield consumer
    server.stop()


def received(consumer: Consumer) -> dict[str, list[Envelope]]:
    """What comes, by camera; what comes again is left out, as the store does."""
    by_camera: dict[str, list[Envelope]] = {}
    for delivery in consumer.read(100, 50):
        known = by_camera.setdefault(delivery.envelope.camera, [])
        if delivery.envelope not in known:
            known.append(delivery.envelope)
        consumer.ack([delivery.id])
    return by_camera


def body(envelope: Envelope) -> Progress:
    assert isinstance(envelope.body, Progress)
    return envelope.body


def test_all_cameras_are_announced_before_any_worker_starts(site: Site, consumer: Consumer) -> None:
    assert announce_starting(site, site.cameras, 5) == set()
    messages = received(consumer)
    assert {name: len(found) for name, found in messages.items()} == dict.fromkeys(site.cameras, 1)
    bodies = {name: body(found[0]) for name, found in messages.items()}
    assert all(b.state is CameraState.STARTING for b in bodies.values())
    assert {name: b.live for name, b in bodies.items()} == {
        "gate": False,
        "hall": False,
        "door": True,
    }
    assert bodies["gate"].time == 1767600000.0
    assert bodies["hall"].time == (Path(site.cameras["hall"].source)).stat().st_mtime


def test_what_a_killed_worker_left_goes_before_and_the_file_goes_on_there(
    site: Site, consumer: Consumer
) -> None:
    with Publisher(site, "gate") as worker:
        worker.put([progress(worker.run, 7, frame=70)])
    announce_starting(site, ["gate"], 5)
    announce_lost(site, "gate", 5)
    first, starting, lost = [body(envelope) for envelope in received(consumer)["gate"]]
    assert first.run < starting.run < lost.run
    assert replace(starting, run=first.run, frames=first.frames) == replace(
        first, state=CameraState.STARTING
    )
    assert (lost.state, lost.frame, lost.frames) == (CameraState.LOST, 70, 0)
    with Publisher(site, "gate") as worker:
        assert worker.resume == lost


def test_a_file_that_was_read_to_its_end_is_not_started(site: Site, consumer: Consumer) -> None:
    with Publisher(site, "gate") as worker:
        worker.put([progress(worker.run, 9, state=CameraState.ENDED)])
        assert worker.wait_sent(5)
    assert announce_starting(site, ["gate"], 5) == set()  # it ended, but nobody has committed it
    announce_lost(site, "gate", 5)
    (ended,) = received(consumer)["gate"]
    consumer.announce({"gate": Position(ended.run, ended.number)})
    assert announce_starting(site, ["gate"], 5) == {"gate"}
    (again,) = received(consumer)["gate"]
    assert body(again).state is CameraState.ENDED
    assert again.run > ended.run


def test_another_file_in_the_place_of_one_that_was_read(site: Site, consumer: Consumer) -> None:
    video = Path(site.cameras["hall"].source)
    os.utime(video, (1e9, 1e9))
    with Publisher(site, "hall") as worker:
        source = digest(site.cameras["hall"])
        ended = progress(worker.run, 9, "hall", state=CameraState.ENDED, source=source)
        worker.put([ended])
    consumer.announce({"hall": Position(ended.run, 1)})
    assert announce_starting(site, ["hall"], 5) == {"hall"}
    video.write_bytes(b"another")
    os.utime(video, (1e9, 1e9))
    assert announce_starting(site, ["hall"], 5) == set()  # its worker will refuse
    with Publisher(site, "hall") as worker:
        assert worker.resume is not None
        assert (worker.resume.time, worker.resume.source) == (ended.time, source)
        assert worker.resume.state is CameraState.STARTING
    os.utime(video, (2e9, 2e9))
    assert announce_starting(site, ["hall"], 5) == set()
    with Publisher(site, "hall") as worker:
        assert worker.resume is not None
        assert (worker.resume.time, worker.resume.frame) == (2e9, 0)


def test_without_redis_the_announcement_waits_in_the_spool(site: Site) -> None:
    assert announce_starting(site, ["gate"], 0.1) == set()
    with Publisher(site, "gate") as worker:
        assert worker.resume is not None
        assert worker.resume.state is CameraState.STARTING
        assert wait_for(lambda: worker.stats.spooled == 1)
