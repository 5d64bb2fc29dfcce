"""The command `camtrail-train`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from train.cli import main


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
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured.pop("encoder") == str(encoder)
    assert measured == trained
    command = json.loads((out / "run.json").read_text())["command"]
    assert command.startswith("camtrail-train baseline --data ")


def test_the_colour_baseline(
    market: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--encoder", "histogram", "--data", str(market), "--other-cameras", "--json"]
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "eval", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    measured = json.loads(capsys.readouterr().out)
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
def test_mistakes_end_in_one_line(
    arguments: list[str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["camtrail-train", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert err.startswith("camtrail-train: ")
    assert err.count("\n") == 1
    assert text in err
    assert out == ""
