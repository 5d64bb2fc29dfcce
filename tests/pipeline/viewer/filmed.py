"""A simulated site whose store holds each person's truth with real embeddings."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.config import Site, load_site
from pipeline.evaluate import read_truth
from pipeline.inference.encoder import EncoderRuntime
from pipeline.records import Assignment, Decision, Image, TrackletKey, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.store import Batch, Outcome, Received, Store, Verdict
from tests.folders import made_once

RUN = "01JGVJ9ZZZZZZZZZZZZZZZZZZZ"
LEAST_HEIGHT = 60  # pixels of a box worth looking at


def create(
    folder: Path, seconds: float = 14.0, seed: int = 7, cameras: int = 2, people: int = 6
) -> Site:
    """Some cameras and people; what they filmed in the first half is in the store."""
    options = SiteOptions(seed=seed, cameras=cameras, people=people, seconds=seconds)
    name = f"film-{seed}-{cameras}-{people}-{seconds:g}"
    made = made_once(name, lambda empty: _make(empty, options))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return load_site(folder / "site.yaml")


def _make(folder: Path, options: SiteOptions) -> None:
    simulate_site(folder, options)
    site = load_site(folder / "site.yaml")
    encoder = EncoderRuntime(site.encoder, 1)
    updates, verdicts, known = [], [], set()
    for camera, person, crops in _stays(site, folder, options.seconds / 2):
        update = _update(site, encoder, camera, person, crops)
        decision = Decision.MATCHED if person in known else Decision.NEW
        known.add(person)
        assignment = Assignment(update.key, person, decision, math.nan, math.nan, update.end)
        updates.append(update)
        rival = min(known - {person}, default=None)
        reason = {"rule": "alike"}
        verdicts.append(
            Verdict(update.key, update.end, assignment, None, reason, rival, round(0.9 / person, 3))
        )
    updates[0] = replace(updates[0], ended=False)  # is still in view
    keys = [update.key for update in updates]
    outcome = Outcome(
        max(update.end for update in updates),
        verdicts=verdicts,
        prototypes=dict.fromkeys(keys, True),
        closed=keys[1:],
    )
    with Store.open(site.store_url) as store:
        received = [Received(update, update.end) for update in updates]
        store.commit(Batch(received, [], outcome, encoder.fingerprint))


def frames(site: Site, camera: str) -> Iterator[tuple[int, Image]]:
    """The pictures of a camera, BGR, with their numbers from 1."""
    with av.open(site.cameras[camera].source) as container:
        for number, frame in enumerate(container.decode(video=0), start=1):
            yield number, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _stays(
    site: Site, folder: Path, until: float
) -> list[tuple[str, int, list[tuple[int, Image]]]]:
    found: dict[tuple[str, int], list[tuple[int, Image]]] = {}
    for camera, truth in read_truth(folder, site.cameras).items():
        people = truth.people
        for number, image in frames(site, camera):
            if number > until * 10 or number % 5:
                continue
            here = people.frames == number
            for person, box in zip(people.ids[here].tolist(), people.boxes[here], strict=True):
                x1, y1, x2, y2 = np.clip(box, 0, None).astype(int)
                if y2 - y1 >= LEAST_HEIGHT and x2 - x1 >= LEAST_HEIGHT // 4:
                    found.setdefault((camera, person), []).append((number, image[y1:y2, x1:x2]))
    return [(camera, person, crops) for (camera, person), crops in sorted(found.items())]


def _update(
    site: Site, encoder: EncoderRuntime, camera: str, person: int, crops: list[tuple[int, Image]]
) -> TrackletUpdate:
    mean = encoder.embed([image for _, image in crops]).mean(0)
    begin = site.cameras[camera].start
    assert begin is not None
    times = [begin.timestamp() + (number - 1) / 10 for number, _ in crops]
    best = max((image for _, image in crops), key=lambda image: image.shape[0])
    key = TrackletKey(camera, RUN, person)
    return TrackletUpdate(
        *key,
        seq=1,
        start=times[0],
        end=times[-1],
        path=TrackPath.of([(t, n, (0, 0, 9, 9)) for t, (n, _) in zip(times, crops, strict=True)]),
        crops=len(crops),
        quality=1.0,
        embedding=np.asarray(mean / np.linalg.norm(mean), np.float32),
        fingerprint=encoder.fingerprint,
        thumbnail=cv2.imencode(".jpg", best)[1].tobytes(),
        thumbnail_quality=0.5,
        ended=True,
    )
