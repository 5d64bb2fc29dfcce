"""What the cameras of a site say, kept in memory, and what the matcher makes of it.

The cameras' networks run once; the decisions can then be repeated in a second.
"""

from __future__ import annotations

import math
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import msgpack
import numpy as np

from pipeline.bus import decode, encode
from pipeline.camera.source import open_source
from pipeline.camera.worker import Worker
from pipeline.config import Site
from pipeline.evaluate.evaluation import Evaluation, evaluate
from pipeline.evaluate.truth import read_truth
from pipeline.inference import threads
from pipeline.inference.detector import Detector
from pipeline.inference.encoder import EncoderRuntime
from pipeline.matcher.engine import Engine
from pipeline.matcher.scoring import Thresholds
from pipeline.matcher.topology import Topology
from pipeline.records import (
    CameraHealth,
    Envelope,
    FloatArray,
    Progress,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.store import TrackRow

RUN = "0" * 26


class Collector:
    """Stands where the publisher stands, and keeps what it is given."""

    run = RUN

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    def put(self, bodies: Sequence[TrackletUpdate | Progress]) -> None:
        for body in bodies:
            self.envelopes.append(Envelope(len(self.envelopes) + 1, body))

    def report(self, health: CameraHealth) -> None:
        print(f"{health.camera}: {health.frames} frames", file=sys.stderr)


def record(site: Site) -> list[Envelope]:
    """All messages of all cameras of a site of files, in step."""
    threads.apply(1)
    detector, encoder = Detector(site.detector), EncoderRuntime(site.encoder, 1)
    messages: list[Envelope] = []
    for name, camera in site.cameras.items():
        collector = Collector()
        with closing(open_source(camera, name, 0)) as source:
            publisher: Any = collector
            Worker(site, name, source, detector, encoder, publisher).run(threading.Event())
        messages += collector.envelopes
    return in_step(messages)


def in_step(messages: Iterable[Envelope]) -> list[Envelope]:
    """The cameras' messages mixed by capture time, those of one camera in their own order."""
    told: dict[str, float] = defaultdict(lambda: -math.inf)  # up to when, by camera
    keyed = []
    for envelope in sorted(messages, key=lambda e: (e.camera, e.number)):
        body = envelope.body
        time = body.time if isinstance(body, Progress) else body.end
        told[envelope.camera] = max(told[envelope.camera], time)
        keyed.append((told[envelope.camera], envelope.camera, envelope.number, envelope))
    return [envelope for *_, envelope in sorted(keyed, key=lambda item: item[:3])]


def cached(site: Site, file: FilePath) -> list[Envelope]:
    """As `record`, kept in ``file`` as on the wire."""
    if not file.exists():
        file.write_bytes(msgpack.packb([encode(message) for message in record(site)]))
    return in_step(decode(message) for message in msgpack.unpackb(file.read_bytes()))


@dataclass(frozen=True, slots=True)
class Whole:
    """A tracklet seen whole."""

    key: TrackletKey
    start: float
    end: float
    embedding: FloatArray | None
    row: TrackRow


def wholes(messages: Iterable[Envelope]) -> list[Whole]:
    """The tracklets of a recording, without identities."""
    parts: dict[TrackletKey, list[TrackletUpdate]] = defaultdict(list)
    for envelope in messages:
        if isinstance(envelope.body, TrackletUpdate):
            parts[envelope.body.key].append(envelope.body)
    result = []
    for key, updates in sorted(parts.items()):
        row = TrackRow(
            key=key,
            identity=None,
            decided_at=None,
            times=np.concatenate([u.path.times for u in updates]),
            frames=np.concatenate([u.path.frames for u in updates]),
            boxes=np.concatenate([u.path.boxes for u in updates]),
        )
        last = updates[-1]
        result.append(Whole(key, last.start, last.end, last.embedding, row))
    return result


def engine_of(site: Site, thresholds: Thresholds | None) -> Engine:
    """A matcher without history that waits for all cameras."""
    return Engine(
        site.matcher,
        thresholds,
        list(site.cameras),
        Topology(site.topology),
        wait_for_all=True,
    )


def identities(
    engine: Engine, messages: Sequence[Envelope]
) -> dict[TrackletKey, tuple[int, float]]:
    """Identity and time of decision of every tracklet decided."""
    found: dict[TrackletKey, tuple[int, float]] = {}
    for envelope in messages:
        engine.feed(envelope)
        for verdict in engine.advance().verdicts:
            found.pop(verdict.key, None)
            if verdict.assignment is not None:
                found[verdict.key] = (verdict.assignment.identity, verdict.time)
    return found


def assess(
    site: Site,
    truth: FilePath,
    tracklets: Iterable[Whole],
    who: dict[TrackletKey, tuple[int, float]],
) -> Evaluation:
    """The evaluation of the tracklets under these identities."""
    rows: dict[str, list[TrackRow]] = {camera: [] for camera in site.cameras}
    for tracklet in tracklets:
        identity, time = who.get(tracklet.key, (None, None))
        rows[tracklet.key.camera].append(replace(tracklet.row, identity=identity, decided_at=time))
    return evaluate(read_truth(truth, list(site.cameras)), rows)
