"""A small simulated site whose store is filled from its truth, as if a run had been perfect."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from pipeline.config import Site, load_site
from pipeline.evaluate import read_truth
from pipeline.evaluate.truth import Boxes
from pipeline.records import (
    Assignment,
    CameraState,
    Decision,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.records import Path as TrackPath
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.store import Batch, Outcome, Received, RunState, Store, Verdict

FPS = 10.0
RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"
FINGERPRINT = "f" * 64


def simulate(folder: Path, seed: int = 5) -> Site:
    """Two cameras, four people, twelve seconds."""
    return load_site(
        simulate_site(folder, SiteOptions(seed=seed, cameras=2, people=4, seconds=12, fps=FPS))
    )


def fill(site: Site, truth_folder: Path, undecided: int = 0) -> list[Assignment]:
    """Stores each person's stays as tracklets; the person's number is the identity.

    The last ``undecided`` tracklets get no identity.
    """
    updates: list[TrackletUpdate] = []
    assignments: list[Assignment] = []
    for camera, truth in read_truth(truth_folder, site.cameras).items():
        start = site.cameras[camera].start
        assert start is not None
        for number, (person, stay) in enumerate(_stays(truth.people), start=1):
            update = _update(camera, number, stay, start.timestamp())
            updates.append(update)
            assignments.append(_assignment(update, person, assignments))
    assignments = assignments[: len(assignments) - undecided]
    verdicts = [Verdict(a.key, a.time, a, None, {}) for a in assignments]
    frames = round(12 * FPS)
    runs = [
        RunState(
            camera,
            RUN,
            number=sum(u.camera == camera for u in updates),
            messages=sum(u.camera == camera for u in updates),
            updates=sum(u.camera == camera for u in updates),
            time=max(u.end for u in updates),
            state=CameraState.ENDED,
            frames=frames,
            frame=frames,
        )
        for camera in site.cameras
    ]
    with Store.open(site.store_url) as store:
        tick = max(u.end for u in updates)
        store.commit(
            Batch([Received(u, u.end) for u in updates], runs, Outcome(tick, verdicts), FINGERPRINT)
        )
    return assignments


def _stays(people: Boxes) -> list[tuple[int, Boxes]]:
    stays = []
    for person in np.unique(people.ids).tolist():
        own = people.keep(people.ids == person)
        breaks = np.flatnonzero(np.diff(own.frames) > 1) + 1
        for part in np.split(np.arange(len(own)), breaks):
            mask = np.zeros(len(own), bool)
            mask[part] = True
            stays.append((person, own.keep(mask)))
    return sorted(stays, key=lambda stay: (stay[1].frames[0], stay[0]))


def _update(camera: str, track: int, stay: Boxes, start: float) -> TrackletUpdate:
    times = start + (stay.frames - 1) / FPS
    colour = np.full((90, 40, 3), (40 * track % 255, 90, 160), np.uint8)
    points = zip(times.tolist(), stay.frames.tolist(), stay.boxes.tolist(), strict=True)
    return TrackletUpdate(
        camera=camera,
        run=RUN,
        track=track,
        seq=1,
        start=float(times[0]),
        end=float(times[-1]),
        path=TrackPath.of(list(points)),
        crops=3,
        quality=1.0,
        embedding=np.eye(8, dtype=np.float32)[track % 8],
        fingerprint=FINGERPRINT,
        thumbnail=cv2.imencode(".jpg", colour)[1].tobytes(),
        thumbnail_quality=0.9,
        ended=True,
    )


def _assignment(update: TrackletUpdate, person: int, before: list[Assignment]) -> Assignment:
    new = all(a.identity != person for a in before)
    return Assignment(
        key=TrackletKey(update.camera, update.run, update.track),
        identity=person,
        decision=Decision.NEW if new else Decision.MATCHED,
        similarity=math.nan if new else 0.8,
        runner_up=math.nan if new else 0.4,
        time=min(update.start + 1.5, update.end),
    )
