"""What a worker needs around it: a site, a real server, and somebody who commits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pipeline.bus import Consumer, Keys, connect
from pipeline.config import Site
from pipeline.records import Envelope, Position, Progress, TrackletUpdate


class Committer:
    """Stands in for the matcher: reads the real stream, keeps all, and says so."""

    def __init__(self, site: Site) -> None:
        self._client = connect(site)
        self._consumer = Consumer(self._client, Keys(site.site), "matcher")
        self._consumer.open()
        self._envelopes: list[Envelope] = []
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Committer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def updates(self) -> list[TrackletUpdate]:
        with self._news:
            return [e.body for e in self._envelopes if isinstance(e.body, TrackletUpdate)]

    def progress(self, camera: str) -> list[Progress]:
        with self._news:
            bodies = [e.body for e in self._envelopes if e.camera == camera]
        return [body for body in bodies if isinstance(body, Progress)]

    def numbers(self, run: str) -> list[int]:
        with self._news:
            return [e.number for e in self._envelopes if e.run == run]

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> None:
        with self._news:
            assert self._news.wait_for(condition, seconds), "never came true"

    def _run(self) -> None:
        positions: dict[str, Position] = {}
        while not self._stop.is_set():
            deliveries = self._consumer.read(100, 100)
            with self._news:
                for delivery in deliveries:
                    envelope = delivery.envelope
                    position = Position(envelope.run, envelope.number)
                    if position > positions.get(envelope.camera, Position("", 0)):
                        self._envelopes.append(envelope)  # what is sent again is not kept again
                        positions[envelope.camera] = position
                self._news.notify_all()
            self._consumer.ack([delivery.id for delivery in deliveries])
            self._consumer.announce(positions)


def write_site(
    folder: Path, weights: Path, encoder: Path, cameras: str, **detector: object
) -> Path:
    """A ``site.yaml``; ``cameras`` is the YAML of the cameras, each a line."""
    options = "".join(f", {key}: {value}" for key, value in detector.items())
    path = folder / "site.yaml"
    path.write_text(
        f"site: yard\ndetector: {{weights: {weights}, device: cpu{options}}}\n"
        f"encoder: {{path: {encoder}, device: cpu}}\ncameras:\n{cameras}"
    )
    return path
