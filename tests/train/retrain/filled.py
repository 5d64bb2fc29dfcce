"""A site whose store holds the crops of people that differ in the colours of their clothes."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch

from pipeline.config import load_site
from pipeline.records import Assignment, Decision, TrackletKey, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Said, Store, Verdict
from reid_models import Description, InputSpec, build, save_encoder

RUN = "01JGTESTRUN000000000000001"
START = 1_767_600_000.0  # 2026-01-05T08:00:00Z
PEOPLE, ROUNDS, CROPS = 16, 32, 3
CAMERAS = ("gate", "lobby")


def write_encoder(path: Path, seed: int = 1) -> Path:
    torch.manual_seed(seed)
    description = Description(
        input=InputSpec(height=64, width=32),
        dimension=16,
        architecture="stripenet",
        arguments={"dimension": 16},
    )
    save_encoder(path, build("stripenet", dimension=16), description)
    return path


def write_site(folder: Path) -> Path:
    """Its ``site.yaml``; the store is empty."""
    folder.mkdir()
    encoder = write_encoder(folder / "encoder.safetensors")
    path = folder / "site.yaml"
    cameras = ", ".join(f"{name}: {{source: {name}.mp4}}" for name in CAMERAS)
    path.write_text(
        f"site: yard\nencoder: {{path: {encoder}, device: cpu}}\ncameras: {{{cameras}}}\n"
    )
    return path


def fill(path: Path, confirmed: int = 0) -> None:
    """In each round two people come by at the same time, first in one camera, then in the other.

    Args:
        path: of ``write_site``.
        confirmed: how many of the people somebody confirmed, in all their tracklets.
    """
    site = load_site(path)
    updates, verdicts, keys = [], [], dict[int, list[TrackletKey]]()
    for turn in range(ROUNDS):
        for person in (2 * turn % PEOPLE, (2 * turn + 1) % PEOPLE):
            for place, camera in enumerate(CAMERAS):
                key = TrackletKey(camera, RUN, PEOPLE * turn + person + 1)
                begin = START + 100 * turn + 50 * place + person % 2
                updates += [_update(key, person, place, begin, seq) for seq in range(CROPS)]
                decision = Decision.MATCHED if person in keys else Decision.NEW
                made = Assignment(key, person + 1, decision, math.nan, math.nan, begin)
                verdicts.append(Verdict(key, begin, made, None, {}))
                keys.setdefault(person, []).append(key)
    with Store.open(site.store_url, crops=site.crops_dir, keep=4) as store:
        received = [Received(update, update.end) for update in updates]
        store.commit(Batch(received, [], Outcome(START + 100 * ROUNDS, verdicts=verdicts)))
        for person in range(confirmed):
            store.confirm(person + 1, keys[person], Said("ada", START, START))


def _update(key: TrackletKey, person: int, place: int, begin: float, seq: int) -> TrackletUpdate:
    end = begin + 2 * (seq + 1)
    return TrackletUpdate(
        camera=key.camera,
        run=key.run,
        track=key.track,
        seq=seq + 1,
        start=begin,
        end=end,
        path=TrackPath.of([(end, round(10 * (end - START)), (1, 1, 30, 60))]),
        crops=seq + 1,
        quality=0.5 * (seq + 1),
        embedding=np.eye(16, dtype=np.float32)[person],
        fingerprint="f" * 32,
        thumbnail=cv2.imencode(".jpg", _picture(person, place, key.track, seq))[1].tobytes(),
        thumbnail_quality=(0.3, 0.9, 0.6)[seq],
        ended=seq + 1 == CROPS,
    )


def _picture(person: int, place: int, track: int, seq: int) -> np.ndarray:
    colours = np.random.default_rng(person).integers(0, 256, (2, 3))
    rng = np.random.default_rng([person, place, track, seq])
    image = np.full((64, 32, 3), 120.0)
    image[10:32, 4:-4] = colours[0]
    image[32:, 6:-6] = colours[1]
    image = image * (0.7 + 0.3 * place) + rng.normal(0, 12, image.shape)
    return image.clip(0, 255).astype(np.uint8)
