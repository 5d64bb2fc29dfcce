"""From the cameras to a better encoder: run, export, train, compare, promote, run again."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from pipeline.config import DEMO_ENCODER, load_site
from pipeline.records import TrackletKey
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.simulate.video import VideoWriter
from pipeline.store import Store
from tests.programs import camtrail, camtrail_train

SECONDS, FPS = 80, 10
LATER = "-later"  # the second half of a camera's video, as a camera of its own


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_encoder_trained_on_the_own_crops_follows_people_better(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    simulate_site(folder, SiteOptions(seed=41, people=16, seconds=SECONDS, fps=FPS))
    worn = spoil(DEMO_ENCODER, tmp_path / "worn.safetensors")
    first, whole = halve(folder, worn)

    camtrail("run", first, "--until-end")
    before = whose(first)
    crops, run, comparison = tmp_path / "crops", tmp_path / "run", tmp_path / "comparison.json"
    camtrail("crops", "export", first, "--out", crops, "--test", "0.4")
    changes = {
        "weights": worn,
        "epochs": 12,
        "warmup_epochs": 1,
        "learning_rate": 0.001,
        "identities_per_batch": 6,
    }
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    camtrail_train("baseline", "--data", crops, "--out", run, *settings)
    fresh = run / "encoder.safetensors"
    camtrail_train("compare", worn, fresh, "--data", crops, "--out", comparison)

    without = shutil.copytree(folder, tmp_path / "without") / whole.name  # the same, not promoted
    gain = json.loads(comparison.read_text())["gain"]
    assert gain["value"] > 0  # whether beyond doubt is another matter with so few people
    forced = [] if gain["low"] > 0 else ["--force"]
    compared = ["--comparison", comparison, *forced]
    promoted = camtrail("encoder", "promote", fresh, whole, *compared, "--json")
    assert json.loads(promoted)["without_crops"] == 0
    for path in (whole, without):
        camtrail("run", path, "--until-end")

    after = whose(whole)
    assert before.keys() <= after.keys()
    same = sum(after[key] == identity for key, identity in before.items())
    assert same >= 0.7 * len(before)  # the rest was repaired, now that more can be seen
    again = {identity for key, identity in after.items() if key.camera.endswith(LATER)}
    assert again & set(before.values())
    assert idf1(whole) >= idf1(without)


def spoil(encoder: Path, target: Path) -> Path:
    """The encoder with noise on its weights, and without thresholds."""
    import torch

    from reid_models import save_encoder
    from reid_models.weights import read_encoder

    model, description = read_encoder(encoder)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight += weight.std() * torch.randn(weight.shape, generator=generator)
    save_encoder(target, model, description.model_copy(update={"thresholds": None}))
    return target


def halve(folder: Path, encoder: Path) -> tuple[Path, Path]:
    """Cuts the site in two in the middle of its time: a ``site.yaml`` of the first half, and one
    of both, in which the second halves are cameras of their own.
    """
    site: dict[str, Any] = yaml.safe_load((folder / "site.yaml").read_text())
    site["encoder"] = {"path": str(encoder)}
    later: dict[str, Any] = {}
    for name, camera in site["cameras"].items():
        cut(folder, name)
        start = datetime.fromisoformat(camera["start"]) + timedelta(seconds=SECONDS / 2)
        second = {"source": f"{name}{LATER}.half.mp4", "start": start.isoformat()}
        later[name + LATER] = camera | second
        camera["source"] = f"{name}.half.mp4"
    first, whole = folder / "first.yaml", folder / "whole.yaml"
    first.write_text(yaml.safe_dump(site))
    whole.write_text(yaml.safe_dump(site | {"cameras": site["cameras"] | later}))
    return first, whole


def cut(folder: Path, camera: str) -> None:
    """Video and truth of a camera, in two halves."""
    middle = SECONDS * FPS // 2
    truth = np.loadtxt(folder / f"{camera}.gt.txt", delimiter=",", ndmin=2)
    video = cv2.VideoCapture(str(folder / f"{camera}.mp4"))
    for name, begin in ((camera, 0), (camera + LATER, middle)):
        own = truth[(truth[:, 0] > begin) & (truth[:, 0] <= begin + middle)]
        own[:, 0] -= begin
        np.savetxt(folder / f"{name}.gt.txt", own, "%g", delimiter=",")
        with VideoWriter(folder / f"{name}.half.mp4", 640, 360, FPS) as writer:
            for _ in range(middle):
                ok, frame = video.read()
                assert ok
                writer.write(np.asarray(frame, np.uint8))


def whose(path: Path) -> dict[TrackletKey, int]:
    """The identity of each tracklet in the store."""
    with Store.open(load_site(path).store_url, read_only=True) as store:
        people = [store.identity(person.identity) for person in store.identities()]
    return {visit.key: person.summary.identity for person in people for visit in person.visits}


def idf1(path: Path) -> float:
    scores = json.loads(camtrail("evaluate", path, "--truth", path.parent, "--json"))
    return float(scores["idf1"])
