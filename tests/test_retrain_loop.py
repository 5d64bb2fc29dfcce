"""The loop closed without labels: run, retrain, promote, run again on other people of the site.

The encoder that the site begins with knows few people and two cameras, none of them the site's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.simulate import SiteOptions, simulate_site, site
from pipeline.simulate.people import sample_people
from tests.programs import camtrail, camtrail_train

SITE, OTHERS = 47, 1_000  # seeds: of the cameras and the people collected; of the people after that
COLLECTED, AFTER = (24, 120), (16, 80)  # people, seconds
SOURCE = "simulated:seed=9301,train_identities=80,test_identities=4,cameras=2,per_camera=4"
NARROW = ["epochs=10", "warmup_epochs=1", "augmentation.another_camera=0"]
NARROW += ["augmentation.saturation=0", "augmentation.blur=0"]
RETRAIN = ["epochs=15", "warmup_epochs=1", "identities_per_batch=6", "clustering.k1=12"]


def changes(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def film(folder: Path, encoder: Path, people: int, seconds: int) -> Path:
    """A site whose ``site.yaml`` names the encoder."""
    simulate_site(folder, SiteOptions(seed=SITE, people=people, seconds=seconds))
    path = folder / "site.yaml"
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"encoder": {"path": str(encoder)}}))
    return path


def idf1(path: Path) -> float:
    camtrail("run", path, "--until-end")
    scores = json.loads(camtrail("evaluate", path, "--truth", path.parent, "--json"))
    return float(scores["idf1"])


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_an_encoder_that_was_retrained_without_labels_follows_other_people_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = tmp_path / "narrow"
    camtrail_train("baseline", "--data", SOURCE, "--out", narrow, *changes(NARROW))
    encoder = narrow / "encoder.safetensors"

    collected = film(tmp_path / "collected", encoder, *COLLECTED)
    camtrail("run", collected, "--until-end")
    out = tmp_path / "retrained"
    options = ["--site", collected, "--out", out, *changes(RETRAIN), "--json"]
    outcome = json.loads(camtrail_train("retrain", *options))
    assert outcome["judged_by"] == "tracklets"

    # the same cameras, other people
    monkeypatch.setattr(site, "sample_people", lambda seed, number: sample_people(OTHERS, number))
    after = film(tmp_path / "after", encoder, *AFTER)
    before = shutil.copytree(after.parent, tmp_path / "before") / after.name
    forced = [] if outcome["better"] else ["--force"]  # so few tracklets seldom say it beyond doubt
    compared = ["--comparison", outcome["comparison"], *forced]
    camtrail("encoder", "promote", outcome["encoder"], after, *compared)
    assert idf1(after) > idf1(before)
