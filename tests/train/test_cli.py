"""The command `camtrail-train`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from train.cli import main

SMALL = ["height=64", "width=32", "identities_per_batch=4", "epochs=2", "workers=0"]


def camtrail_train(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "camtrail-train"
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)


def in_process(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> object:
    """The exit status."""
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def settings(*changes: str) -> list[str]:
    return [part for change in changes for part in ("--set", change)]


def test_train_then_eval(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    changes = settings(*SMALL, "arguments.dimension=32")
    done = camtrail_train("baseline", "--data", market, "--out", out, *changes, "--json")
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stderr
    assert "min left" in done.stderr
    trained = json.loads(done.stdout)
    encoder = out / "encoder.safetensors"
    options = ["--encoder", encoder, "--data", market, "--json"]
    assert in_process(monkeypatch, "eval", *options) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["map"] == trained["map"]
    command = json.loads((out / "run.json").read_text())["command"]
    assert command.startswith("camtrail-train baseline --data ")


def test_a_warning_is_one_line(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = settings(
        *SMALL, "epochs=1", "arguments.part_dimension=16", "arguments.branches=[[2,2]]"
    )
    code = in_process(
        monkeypatch, "scr", "--data", market, "--out", tmp_path / "run", *changes, "--json"
    )
    out, err = capsys.readouterr()
    assert code == 0
    assert json.loads(out)["data"] == "market"
    first, *rest = err.splitlines()
    assert first.startswith("camtrail-train: resnet18 starts from random weights")
    assert [line for line in rest if not line.startswith("epoch 1/1")] == []


@pytest.mark.parametrize("method", ["baseline", "scr"])
def test_what_config_prints_can_be_given_back(
    method: str,
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert in_process(monkeypatch, "config", method) == 0
    text = capsys.readouterr().out
    assert all("# " in line for line in text.splitlines() if line.startswith(("epochs", "lambda")))
    assert yaml.safe_load(text)["augmentation"]["erase"] == 0.5
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("\nepochs: ", "\nepochs: 0 # "))
    options = ["--data", market, "--out", tmp_path / "run", "--settings", file]
    assert in_process(monkeypatch, method, *options) == 2
    assert "epochs: Input should be greater than or equal to 1" in capsys.readouterr().err


def test_the_colour_baseline(
    market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--encoder", "histogram", "--data", market, "--other-cameras", "--json"]
    assert in_process(monkeypatch, "eval", *options) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["queries"] == 8
    assert "gallery of other cameras" in measured["protocol"]


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "--encoder", "histogram", "--data"],
        ["cross-domain", "--encoder", "histogram", "--data"],
        ["compare", "a.safetensors", "b.safetensors", "--data"],
        ["ablate", "fidi", "--out", "study", "--data"],
        ["reproduce", "--method", "scr", "--out", "run"],
        ["results", "supervised", "--out", "runs", "--data"],
    ],
)
def test_data_to_learn_from_alone(
    command: list[str],
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be measured is said before anything is loaded or trained."""
    train = market / "bounding_box_train"
    rows = [f"{p.parent.name}/{p.name},{p.name[:4]},{p.name[6]},1,0" for p in train.iterdir()]
    names = "file,identity,camera_number,tracklet_number,time"
    (market / "crops.csv").write_text("\n".join([names, *rows]) + "\n")
    facts = {"format": "camtrail crops", "version": 1, "labels": "matched"}
    (market / "dataset.json").write_text(json.dumps(facts))
    monkeypatch.chdir(tmp_path)
    assert in_process(monkeypatch, *command, f"crops:{market}") == 2
    out, err = capsys.readouterr()
    assert "has no test part (query and gallery) to measure on" in err.splitlines()[-1]
    assert out == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"market"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["eval", "--encoder", "none.safetensors", "--data", "x"], "no such encoder file"),
        (["eval", "--encoder", "histogram", "--data", "x"], "x: no such folder"),
        (["eval", "--encoder", "histogram", "--data", "simulated:cameras=0"], "cameras"),
        (["baseline", "--data", "x", "--out", "y", "--set", "a=1"], "unknown key 'a'"),
        (["baseline", "--data", "x", "--out", "y", "--settings", "z"], "no preset 'z'"),
        (["config", "nothing"], "unknown method 'nothing'; known are: baseline, scr"),
        (["config", "scr", "--settings", "z"], "no preset 'z'; it has: default, paper"),
        (["detector", "--out", "y", "--images", "3"], "at least 32 images"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = in_process(monkeypatch, *arguments)
    out, err = capsys.readouterr()
    assert code == 2
    assert err.startswith("camtrail-train: ")
    assert err.count("\n") == 1
    assert text in err
    assert out == ""
