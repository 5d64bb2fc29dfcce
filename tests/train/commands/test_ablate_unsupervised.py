"""`camtrail-train ablate ice` and `abmt`, run through on a few images."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.train.commands.test_ablate import run
from tests.train.methods.blind import CLUSTERING
from tests.train.methods.small import SMALL
from train.ablate import abmt, ice
from train.ablate.rows import Study
from train.data import load_folder

TINY = [*SMALL, *CLUSTERING, "epochs=1", "steps=1", "pictures=0", "identities_per_batch=2"]
TINY += ["images_per_identity=2"]


def words(*changes: str) -> list[str]:
    return [word for change in (*TINY, *changes) for word in ("--set", change)]


def settings(out: Path) -> list[dict[str, Any]]:
    records = [json.loads((f / "run.json").read_text()) for f in (out / "trainings").iterdir()]
    return [record["settings"] for record in records]


@pytest.mark.slow
def test_ice(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ice, "_THRESHOLDS", ice._THRESHOLDS[:1])  # the others take as long again
    monkeypatch.setattr(ice, "_LOSSES", ice._LOSSES[3:5])
    out = tmp_path / "study"
    options = ["--data", market, "--out", out, *words("arguments.dimension=16"), "--json"]
    run(monkeypatch, "ablate", "ice", *options)
    tables = {t["title"][:3]: t["rows"] for t in json.loads(capsys.readouterr().out)["tables"]}
    assert {number: len(rows) for number, rows in tables.items()} == {
        "6.2": 2,
        "6.3": 4,
        "6.5": 1,
        "6.6": 2,
    }
    assert tables["6.2"][0]["published"] == {
        "Market-1501": "92.8 / 80.1",
        "DukeMTMC-reID": "82.5 / 68.2",
    }
    assert tables["6.5"][0]["published"]["MSMT17"] == "69.2 / 36.6"
    assert tables["6.6"][0]["name"] == "camera-aware: and both"
    whole = tables["6.2"][1]["measured"]
    assert whole == tables["6.3"][2]["measured"] == tables["6.6"][0]["measured"]
    assert all(0 < row["measured"]["mAP"] <= 1 for rows in tables.values() for row in rows)
    used = settings(out)
    assert len(used) == 7
    for key in ("hardest_negative", "squared_soft", "reverse_soft", "plain_target"):
        assert sum(s[key] for s in used) == (6 if key == "plain_target" else 1)
    assert Counter(s["clustering"]["eps"] for s in used) == {"most": 6, 0.45: 1}
    bare = next(s for s in used if s["lambda_camera"] == 0)
    assert (bare["lambda_hard"], bare["lambda_soft"]) == (0, 0)


def test_backbones_of_a_resnet(market: Path, tmp_path: Path) -> None:
    data = load_folder(market, "m")
    study = Study(data, tmp_path, "paper", ["weights=none"], 0, "")
    lines = ice._backbones(study)
    assert [line.changes for line in lines] == [
        ("architecture=resnet50",),
        ("architecture=resnet50_ibn_a",),
    ]
    assert lines[1].published == ("94.2 / 82.5", "83.6 / 70.7", "70.7 / 40.6")
    assert ice._backbones(Study(data, tmp_path, "default", [], 0, "")) == []


@pytest.mark.slow
def test_abmt(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(abmt, "_STRUCTURES", abmt._STRUCTURES[3:])  # the others take as long again
    monkeypatch.setattr(abmt, "_LOSSES", abmt._LOSSES[3:])
    out = tmp_path / "study"
    sizes = ["arguments.dimension=16", "arguments.stripes=2", "clustering.eps=0.6"]
    sizes += [f"source=folder:{market}", "pretraining.epochs=1", "clustering.min_samples=2"]
    run(monkeypatch, "ablate", "abmt", "--data", market, "--out", out, *words(*sizes), "--json")
    tables = {t["title"][:3]: t["rows"] for t in json.loads(capsys.readouterr().out)["tables"]}
    assert {number: len(rows) for number, rows in tables.items()} == {"4.3": 10, "4.4": 1, "4.5": 1}
    assert tables["4.3"][0]["name"] == "source alone: one branch"
    assert tables["4.3"][7]["published"] == {
        "Market to Duke": "82.0 / 69.1",
        "Duke to Market": "92.5 / 78.3",
    }
    assert tables["4.4"][0]["published"]["Duke to Market"] == "90.4 / 76.2"
    assert all(0 < row["measured"]["mAP"] <= 1 for rows in tables.values() for row in rows)
    used = settings(out)
    assert len(used) == 10  # the source's two rows are the first steps of others
    assert [s["source_from"] for s in used].count(None) == 3  # once for one, two, three branches
    branches = [len(s["arguments"]["branches"]) for s in used]
    assert (branches.count(1), branches.count(3)) == (2, 1)
    # 500 clusters of 16,522 images are fewer than two of 48
    assert [s["clustering"]["kmeans"] for s in used].count(2) == 3
    assert sum(not s["cross_branch"] for s in used) == 2
    assert sum(s["other_views"] for s in used) == sum(s["dropout"] > 0 for s in used) == 1
    assert [s["metric_loss"] for s in used].count(None) == 1


def test_abmt_without_a_source(market: Path, tmp_path: Path) -> None:
    changes = [*TINY, "arguments.dimension=16", "arguments.stripes=2", "clustering.eps=0.6"]
    study = Study(load_folder(market, "m"), tmp_path, "default", changes, 0, "")
    row = next(abmt._components(study))
    assert row.name == "mean teacher, k-means"
