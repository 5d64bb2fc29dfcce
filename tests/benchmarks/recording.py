"""What the cameras of a site said, and what the matcher makes of it.

The cameras' networks run once; the decisions can then be repeated in a second.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from pipeline.config import Site
from pipeline.evaluate.evaluation import Evaluation, evaluate
from pipeline.evaluate.truth import read_truth
from pipeline.matcher.engine import Engine
from pipeline.records import (
    Envelope,
    FloatArray,
    Progress,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.replay.run import Ledger, decide_all
from pipeline.replay.tracklets import whole_tracklets
from pipeline.store import TrackRow
from tests.programs import camtrail

RUN = "0" * 26  # of messages that no worker numbered


def record(site: FilePath, out: FilePath) -> None:
    """Runs a ``site.yaml`` of files to their end, and records what its cameras said."""
    camtrail("run", site, "--until-end", "--no-viewer")
    camtrail("record", site, "--out", out)


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
    messages = list(messages)
    last = {e.body.key: e.body for e in messages if isinstance(e.body, TrackletUpdate)}
    return [
        Whole(row.key, last[row.key].start, last[row.key].end, last[row.key].embedding, row)
        for row in whole_tracklets(messages)
    ]


def identities(
    engine: Engine, messages: Sequence[Envelope]
) -> dict[TrackletKey, tuple[int, float]]:
    """Identity and time of decision of every tracklet decided."""
    ledger = Ledger()
    for batch, _ in decide_all(engine, messages):
        ledger.add(batch)
    return ledger.who


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
