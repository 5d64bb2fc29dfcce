"""`camtrail-train reproduce`, run through on small data sets in the published layouts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.train.data.layouts import write_layout
from train.cli import main
from train.reproduce import RECIPES
from train.run import method_settings

SMALL = ["height=64", "width=32", "identities_per_batch=2", "images_per_identity=2", "workers=0"]
SMALL += ["epochs=1", "warmup_epochs=0", "weights=none", "precision=fp32"]
NETWORKS = {"baseline": ["architecture=resnet18"], "fidi": ["architecture=resnet18"]}
NETWORKS["scr"] = ["arguments.backbone=resnet18", "arguments.part_dimension=8"]
NETWORKS["scr"] += ["arguments.branches=[[2,2]]"]


def reproduce(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> object:
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "reproduce", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize(
    ("method", "data", "published"),
    [
        ("baseline", "market1501", {"rank1": 0.945, "map": 0.859}),
        ("fidi", "market1501", {"rank1": 0.945, "map": 0.868}),
        ("scr", "mars", {"rank1": 0.873, "map": 0.813}),
    ],
)
def test_runs_the_recipe_through(
    method: str,
    data: str,
    published: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = write_layout(data, tmp_path / "data"), tmp_path / "run"
    changes = [part for change in (*SMALL, *NETWORKS[method]) for part in ("--set", change)]
    options = [f"{data}:{folder},unchecked", "--method", method, "--out", out, *changes]
    assert reproduce(monkeypatch, *options, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["published"] == published
    assert 0 < row["here"]["map"] <= 1
    settings = json.loads((out / "run.json").read_text())["settings"]
    recipe = RECIPES[method]
    untouched = method_settings(recipe.method, "paper", recipe.changes)
    for key in ("optimizer", "learning_rate", "milestones", "weight_decay", "label_smoothing"):
        assert settings[key] == getattr(untouched, key)
    assert settings["metric_loss"]["name"] == ("fidi" if method == "fidi" else "triplet")
    # once more, as a table
    assert reproduce(monkeypatch, *options, "--resume") == 0
    printed = capsys.readouterr().out
    assert "here" in printed
    assert f"{100 * published['rank1']:.1f}" in printed


def test_a_data_set_without_a_published_row(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = [part for change in (*SMALL, *NETWORKS["fidi"]) for part in ("--set", change)]
    options = [market, "--method", "fidi", "--out", tmp_path / "run", *changes, "--json"]
    assert reproduce(monkeypatch, *options) == 0
    assert json.loads(capsys.readouterr().out)["kind"] in ("folder", "market1501")


def test_adapts_from_a_source(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = [*SMALL, f"source=folder:{market}", "pretraining.epochs=1", "steps=2", "pictures=1"]
    changes += ["arguments={backbone: stripenet, dimension: 16}", "clustering.rho=0.1"]
    changes += ["clustering.k1=8", "clustering.k2=3"]
    options = [word for change in changes for word in ("--set", change)]
    out = tmp_path / "run"
    found = reproduce(
        monkeypatch, f"folder:{market}", "--method", "abmt-uda", "--out", out, *options
    )
    assert found == 0
    printed = capsys.readouterr()
    assert "abmt-uda on" in printed.out
    assert "step 1 of 2: 48 labelled images" in printed.err
    assert (out / "pictures" / "epoch_0001_clusters.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["x", "--method", "pcb"], "unknown recipe 'pcb'; known are: baseline, fidi, scr"),
        (["x", "--method", "scr"], "x: no such folder"),
        (["x", "--method", "abmt-uda"], "abmt-uda needs source: add --set source="),
        (["x", "--method", "dgnet-fused"], "dgnet-fused needs teacher: add --set teacher="),
        (["x", "--method", "gcl"], "gcl needs warm_up: add --set warm_up="),
        (["x", "--method", "gcl", "--set", "warm_up=x"], "gcl needs structure: add --set"),
    ],
)
def test_mistakes(
    arguments: list[str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert reproduce(monkeypatch, *arguments, "--out", tmp_path / "run") == 2
    assert text in capsys.readouterr().err


def test_the_published_batch_of_fidi() -> None:
    """128 images of 8 identities."""
    recipe = RECIPES["fidi"]
    s = method_settings(recipe.method, "paper", recipe.changes)
    assert (s.identities_per_batch, s.images_per_identity) == (8, 16)
    assert (s.architecture, s.height, s.width, s.weights) == ("resnet50", 256, 128, "imagenet")


def test_the_two_networks_of_slsr() -> None:
    found = []
    for name in ("slsr", "slsr-densenet"):
        recipe = RECIPES[name]
        s = method_settings(recipe.method, "paper", recipe.changes)
        found.append((s.architecture, s.height, s.width, recipe.figures["market1501", ""].rank1))
    assert found == [("resnet50", 224, 224, 0.8916), ("densenet121", 256, 128, 0.9243)]


def test_the_methods_without_labels() -> None:
    names = ("ice", "abmt", "abmt-uda", "gcl")
    rows = {name: RECIPES[name].figures["market1501", ""] for name in names}
    assert rows == {
        "ice": (0.938, 0.823),
        "abmt": (0.826, 0.651),
        "abmt-uda": (0.925, 0.783),
        "gcl": (0.837, 0.634),
    }
    for name in rows:
        s = method_settings(RECIPES[name].method, "paper", RECIPES[name].changes)
        assert (s.height, s.width, s.weights) == (256, 128, "imagenet")


def test_dgnet_and_its_fused_losses_differ_in_these_alone() -> None:
    plain, fused = (
        method_settings(RECIPES[name].method, "paper", RECIPES[name].changes).model_dump()
        for name in ("dgnet", "dgnet-fused")
    )
    differ = {key: fused[key] for key in plain if plain[key] != fused[key]}
    assert differ == {"image_reconstruction": "l1+mse", "code_reconstruction": "l1+mse"}
    assert RECIPES["dgnet"].figures["market1501", ""] == (0.948, 0.860)
    assert RECIPES["dgnet-fused"].figures["market1501", ""] == (0.9237, 0.7863)
