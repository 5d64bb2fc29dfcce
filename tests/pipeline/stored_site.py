"""A small site with truth, whose store is filled from it as if a run had been perfect."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import av
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
from pipeline.store import Batch, Outcome, Received, RunState, Store, Verdict
from tests.folders import made_once

FPS = 10.0
FRAMES = 120
# person, camera, first and last frame
STAYS = [
    (1, "gate", 1, 40),
    (1, "lobby", 61, 90),
    (1, "gate", 101, 120),
    (2, "lobby", 11, 50),
    (2, "gate", 71, 110),
    (3, "gate", 31, 80),
]
RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"
FINGERPRINT = "f" * 64


def create(folder: Path) -> Site:
    """``site.yaml``, two cameras of 120 frames and their truth in ``folder``."""
    shutil.copytree(made_once("stored-site", _make), folder, dirs_exist_ok=True)
    return load_site(folder / "site.yaml")


def _make(folder: Path) -> None:
    for camera in ("gate", "lobby"):
        _write_video(folder / f"{camera}.mp4")
        (folder / f"{camera}.gt.txt").write_text(
            "".join(
                f"{frame},{person},{20 + 40 * person},{10 + frame / 10},30,70,1\n"
                for person, name, first, last in STAYS
                for frame in range(first, last + 1)
                if name == camera
            )
        )
    start = "2026-01-05T08:00:00Z"
    cameras = {c: {"source": f"{c}.mp4", "start": start} for c in ("gate", "lobby")}
    (folder / "site.yaml").write_text(json.dumps({"site": "small", "cameras": cameras}))


def _write_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=int(FPS))
        stream.width, stream.height, stream.pix_fmt = 200, 120, "yuv420p"
        for number in range(FRAMES):
            image = np.full((120, 200, 3), (80, number, 200 - number), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def fill(
    site: Site, truth_folder: Path, called: Mapping[int, int | None] | None = None
) -> list[Assignment]:
    """Stores each person's stays as tracklets, whose identity is the person's number.

    ``called`` gives other identities to some people, or none.
    """
    updates: list[TrackletUpdate] = []
    assignments: list[Assignment] = []
    for camera, truth in read_truth(truth_folder, site.cameras).items():
        start = site.cameras[camera].start
        assert start is not None
        for number, (person, stay) in enumerate(_stays(truth.people), start=1):
            update = _update(camera, number, stay, start.timestamp())
            updates.append(update)
            identity = (called or {}).get(person, person)
            if identity is not None:
                assignments.append(_assignment(update, identity, assignments))
    verdicts = [Verdict(a.key, a.time, a, None, {}) for a in assignments]
    runs = [
        RunState(
            camera,
            RUN,
            number=sum(u.camera == camera for u in updates),
            messages=sum(u.camera == camera for u in updates),
            updates=sum(u.camera == camera for u in updates),
            time=max(u.end for u in updates),
            state=CameraState.ENDED,
            frames=FRAMES,
            frame=FRAMES,
        )
        for camera in site.cameras
    ]
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        tick = max(u.end for u in updates)
        store.commit(
            Batch(
                [Received(u, u.end) for u in updates],
                runs,
                Outcome(tick, verdicts=verdicts),
                FINGERPRINT,
            )
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


def _assignment(update: TrackletUpdate, identity: int, before: list[Assignment]) -> Assignment:
    new = all(a.identity != identity for a in before)
    return Assignment(
        key=TrackletKey(update.camera, update.run, update.track),
        identity=identity,
        decision=Decision.NEW if new else Decision.MATCHED,
        similarity=math.nan if new else 0.8,
        runner_up=math.nan if new else 0.4,
        time=min(update.start + 1.5, update.end),
    )
