"""Records to send."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from pipeline.bus import Consumer, Publisher
from pipeline.records import CameraState, Path, Position, Progress, TrackletUpdate


def update(run: str, track: int = 1, seq: int = 1, camera: str = "gate") -> TrackletUpdate:
    rng = np.random.default_rng([track, seq])
    embedding = rng.standard_normal(256).astype(np.float32)
    points = [
        (1e9 + seq + i / 10, 10 * seq + i, (8.0 * i, 20, 8.0 * i + 40, 140)) for i in range(9)
    ]
    return TrackletUpdate(
        camera=camera,
        run=run,
        track=track,
        seq=seq,
        start=1e9,
        end=1e9 + seq + 0.8,
        path=Path.of(points),
        crops=3,
        quality=2.5,
        embedding=embedding / np.linalg.norm(embedding),
        fingerprint="f" * 16,
        thumbnail=b"\xff\xd8" + rng.bytes(500),
        thumbnail_quality=0.7,
        ended=False,
    )


def progress(run: str, seq: int = 1, camera: str = "gate", **changes: object) -> Progress:
    values: dict[str, object] = {
        "camera": camera,
        "run": run,
        "time": 1e9 + seq,
        "state": CameraState.RUNNING,
        "live": False,
        "frames": 10 * seq,
        "frame": 10 * seq,
    }
    return Progress(**{**values, **changes})  # type: ignore[arg-type]


def put(publisher: Publisher, groups: int, tracks: int = 3, first: int = 1) -> int:
    """Puts groups of updates, each with its progress; how many messages that were."""
    for seq in range(first, first + groups):
        updates = [update(publisher.run, track, seq) for track in range(1, tracks + 1)]
        publisher.put([*updates, progress(publisher.run, seq)])
    return groups * (tracks + 1)


class Store:
    """What a matcher does with the bus, in memory: stores, acknowledges, announces."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.bodies: dict[Position, object] = {}
        self.positions: dict[str, Position] = {}
        self.deliveries = 0

    def step(self, count: int = 64) -> int:
        """One batch; how many messages it had."""
        deliveries = self.consumer.read(count, 50)
        for delivery in deliveries:
            envelope = delivery.envelope
            position = Position(envelope.run, envelope.number)
            before = self.positions.get(envelope.camera, Position("", 0))
            follows = before.number + 1 if position.run == before.run else 1
            assert position <= before or position.number == follows, "a gap"
            self.bodies.setdefault(position, envelope.body)
            self.positions[envelope.camera] = max(before, position)
        self.deliveries += len(deliveries)
        self.consumer.announce(self.positions)
        self.consumer.ack([delivery.id for delivery in deliveries])
        return len(deliveries)

    def numbers(self, run: str) -> list[int]:
        return sorted(position.number for position in self.bodies if position.run == run)


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
