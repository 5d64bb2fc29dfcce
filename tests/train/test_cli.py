"""The command `camtrail-train`, run as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def camtrail_train(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "camtrail-train"
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)


def test_train_then_eval(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = ["height=64", "width=32", "dimension=32", "identities_per_batch=4", "epochs=2"]
    changes = [part for change in [*small, "workers=0"] for part in ("--set", change)]
    done = camtrail_train("baseline", "--data", market, "--out", out, *changes, "--json")
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stderr
    assert "min left" in done.stderr
    trained = json.loads(done.stdout)
    encoder = out / "encoder.safetensors"
    done = camtrail_train("eval", "--encoder", encoder, "--data", market, "--json")
    measured = json.loads(done.stdout)
    assert measured.pop("encoder") == str(encoder)
    assert measured == trained
    command = json.loads((out / "run.json").read_text())["command"]
    assert command.startswith("camtrail-train baseline --data ")


def test_the_colour_baseline(market: Path) -> None:
    done = camtrail_train(
        "eval", "--encoder", "histogram", "--data", market, "--other-cameras", "--json"
    )
    measured = json.loads(done.stdout)
    assert measured["queries"] == 8
    assert "gallery of other cameras" in measured["protocol"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["eval", "--encoder", "none.safetensors", "--data", "x"], "no such encoder file"),
        (["eval", "--encoder", "histogram", "--data", "x"], "x: no such folder"),
        (["eval", "--encoder", "histogram", "--data", "simulated:cameras=0"], "cameras"),
        (["baseline", "--data", "x", "--out", "y", "--set", "a=1"], "unknown key 'a'"),
        (["detector", "--out", "y", "--images", "3"], "at least 32 images"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path: Path, arguments: list[str], text: str) -> None:
    done = camtrail_train(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("camtrail-train: ")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr
    assert done.stdout == ""
