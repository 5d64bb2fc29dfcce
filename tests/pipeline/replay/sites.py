"""Recordings of the matcher's synthetic sites, with their truth in MOT format."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Matcher, Topology
from pipeline.records import Envelope, Progress, TrackletUpdate
from pipeline.replay.file import EncoderSaid, Header, write_recording
from tests.pipeline.matcher.synthetic import FINGERPRINT, Script, scripts


def header(cameras: Sequence[str] = ("a", "b", "c"), **matcher: object) -> Header:
    """Of a site whose encoder recommends the synthetic sites' thresholds."""
    return Header(
        site="yard",
        cameras=tuple(cameras),
        topology=Topology(),
        matcher=Matcher(**matcher),  # type: ignore[arg-type]
        encoder=EncoderSaid(fingerprint=FINGERPRINT, accept=0.6, new=0.5),
    )


def in_step(own: Sequence[Script]) -> list[Envelope]:
    """The messages of all cameras by their time, those of one camera in their order."""

    def time(envelope: Envelope) -> float:
        body = envelope.body
        return body.time if isinstance(body, Progress) else body.end

    keyed = []
    for script in own:
        told = 0.0
        for envelope in script.envelopes():
            told = max(told, time(envelope))
            keyed.append((told, envelope.camera, envelope.number, envelope))
    return [envelope for *_, envelope in sorted(keyed, key=lambda item: item[:3])]


def mixed(own: Sequence[Script], seed: int) -> list[Envelope]:
    """The cameras' messages in some other order, those of one camera in theirs."""
    rng = random.Random(seed)
    queues = [script.envelopes() for script in own]
    result = []
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        result.append(queue.pop(0))
    return result


def recorded(path: Path, seed: int, **matcher: object) -> list[Script]:
    """Writes a recording of the synthetic site of a seed; gives its scripts."""
    own = scripts(seed)
    write_recording(path, header(**matcher), in_step(own))
    return own


def write_truth(folder: Path, own: Sequence[Script]) -> Path:
    """``CAMERA.gt.txt`` of each camera: every box that was seen, with its person."""
    folder.mkdir(parents=True, exist_ok=True)
    for script in own:
        lines = []
        for envelope in script.envelopes():
            body = envelope.body
            if isinstance(body, TrackletUpdate):
                person = script.truth[body.key] + 1
                rows = zip(body.path.frames.tolist(), body.path.boxes.tolist(), strict=True)
                for frame, (x1, y1, x2, y2) in rows:
                    lines.append(f"{frame},{person},{x1},{y1},{x2 - x1},{y2 - y1},1\n")
        (folder / f"{script.camera}.gt.txt").write_text("".join(lines))
    return folder
