"""A small worker and a small matcher as programs of their own, to be killed.

``python -m tests.pipeline.bus.peers worker DATA_DIR CAMERA ITEMS`` publishes the items 1..ITEMS as
a file's worker publishes frames; ``... matcher DATA_DIR`` stores them in SQLite.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

import redis

from pipeline.bus import Consumer, Keys, Publisher, connect
from pipeline.config import Camera, Site
from pipeline.records import CameraState, Position, TrackletUpdate
from tests.pipeline.bus.samples import progress, update

CAMERAS = ("gate", "hall")
GROUP = 3


def site(data_dir: Path) -> Site:
    return Site(
        site="yard",
        data_dir=data_dir,
        cameras={name: Camera(source=f"{name}.mp4") for name in CAMERAS},
    )


def worker(data_dir: Path, camera: str, items: int) -> None:
    publisher = Publisher(site(data_dir), camera)
    done = publisher.resume.frame if publisher.resume else 0
    while done < items:
        group = range(done + 1, min(done + GROUP, items) + 1)
        bodies = [update(publisher.run, item, item, camera) for item in group]
        done = group[-1]
        publisher.put([*bodies, progress(publisher.run, done, camera, frame=done)])
        time.sleep(0.004)
    publisher.put([progress(publisher.run, items, camera, frame=done, state=CameraState.ENDED)])
    if not publisher.wait_committed(60):
        sys.exit(3)
    publisher.close()


def matcher(data_dir: Path) -> None:
    store = open_store(data_dir)
    rows = store.execute("SELECT camera, run, MAX(number) FROM messages GROUP BY camera, run")
    positions: dict[str, Position] = {}
    for camera, run, number in rows.fetchall():
        positions[camera] = max(positions.get(camera, Position("", 0)), Position(run, number))
    consumer = Consumer(connect(site(data_dir)), Keys("yard"), f"matcher-{os.getpid()}")
    is_open = False
    while True:
        try:
            if not is_open:
                consumer.open()
                is_open = True
            deliveries = consumer.read(50, 50)
            for delivery in deliveries:
                envelope = delivery.envelope
                item = envelope.body.seq if isinstance(envelope.body, TrackletUpdate) else None
                row = (envelope.camera, envelope.run, envelope.number, item)
                store.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?)", row)
                position = Position(envelope.run, envelope.number)
                before = positions.get(envelope.camera, Position("", 0))
                positions[envelope.camera] = max(before, position)
            store.commit()
            consumer.ack([delivery.id for delivery in deliveries])
            consumer.announce(positions)
            consumer.trim()
        except redis.RedisError:
            is_open = False
            time.sleep(0.02)


def open_store(data_dir: Path) -> sqlite3.Connection:
    store = sqlite3.connect(data_dir / "messages.sqlite", timeout=30)
    store.execute(
        "CREATE TABLE IF NOT EXISTS messages (camera, run, number, item, "
        "PRIMARY KEY (camera, run, number))"
    )
    return store


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    if sys.argv[1] == "worker":
        worker(folder, sys.argv[3], int(sys.argv[4]))
    else:
        matcher(folder)
