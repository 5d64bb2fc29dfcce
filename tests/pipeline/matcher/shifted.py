"""Sites whose cameras' clocks are wrong, or whose cameras were moved."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.matcher.engine import Engine
from pipeline.records import Envelope, Progress, TrackletKey
from tests.pipeline.matcher.synthetic import Script, Walk, people


def shifted(envelopes: Sequence[Envelope], seconds: float) -> list[Envelope]:
    """As a camera sends them whose clock is so far ahead."""
    found = []
    for envelope in envelopes:
        body = envelope.body
        if isinstance(body, Progress):
            body = replace(body, time=body.time + seconds)
        else:
            path = replace(body.path, times=body.path.times + seconds)
            body = replace(body, start=body.start + seconds, end=body.end + seconds, path=path)
        found.append(Envelope(envelope.number, body))
    return found


def walkers(
    seed: int,
    cameras: Sequence[str] = ("a", "b"),
    persons: int = 8,
    seconds: float = 400.0,
    way: tuple[float, float] = (3.0, 5.0),
) -> list[Script]:
    """People who go from camera to camera and back, again and again, a while in each."""
    rng = np.random.default_rng(seed)
    walks: dict[str, list[Walk]] = {camera: [] for camera in cameras}
    for person, look in enumerate(people(persons, rng, alike=0.2)):
        at, moment = int(rng.integers(len(cameras))), float(rng.uniform(0, 40))
        while moment < seconds - 10:
            stay = float(rng.uniform(3, 6))
            walk = Walk(person, cameras[at], moment, moment + stay, look, noise=0.15)
            walks[cameras[at]].append(replace(walk, x=float(rng.uniform(0, 40))))
            moment += stay + float(rng.uniform(*way))
            step = 1 if rng.random() < 0.5 else -1
            at = (at + step) % len(cameras)
            if rng.random() < 0.3:
                moment += float(rng.uniform(10, 40))
    return [Script(c, sorted(own, key=lambda w: w.start), seconds) for c, own in walks.items()]


def in_step(streams: Sequence[Sequence[Envelope]]) -> list[Envelope]:
    """One message of each, again and again."""
    return [m for at_once in itertools.zip_longest(*streams) for m in at_once if m is not None]


def followed(
    engine: Engine, scripts: Sequence[Script], ahead: Mapping[str, float]
) -> dict[TrackletKey, int]:
    """Who is who at last, where some clocks are ahead."""
    streams = [shifted(s.envelopes(), ahead.get(s.camera, 0.0)) for s in scripts]
    whose: dict[TrackletKey, int] = {}
    for verdict in engine.take(in_step(streams)).outcome.verdicts:
        whose.pop(verdict.key, None)
        if verdict.assignment is not None:
            whose[verdict.key] = verdict.assignment.identity
    return whose
