"""`camtrail-train data`, and what every command says of its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.train.data.layouts import write_layout
from train.cli import app
from train.commands.options import open_named
from train.errors import TrainError


def test_what_was_found_as_json(market: Path) -> None:
    (market / "query" / "0009_c1s1_000000_01.jpg").write_bytes(b"torn")
    answer = CliRunner().invoke(app, ["data", str(market), "--json"])
    assert answer.exit_code == 0
    found = json.loads(answer.stdout)
    assert (found["name"], found["kind"], found["version"]) == ("market", "folder", "")
    assert found["parts"]["train"] == {
        "images": 48,
        "identities": 8,
        "junk": 0,
        "distractors": 0,
        "tracklets": 0,
        "cameras": {"1": 24, "2": 24},
    }
    assert found["parts"]["query"]["images"] == 7
    assert len(found["left_out"]) == 1
    assert len(found["fingerprint"]) == 32


def test_what_was_found_in_words(tmp_path: Path) -> None:
    folder = write_layout("mars", tmp_path / "MARS")
    (folder / "bbox_train/0001/0001C1T0001F001.jpg").unlink()
    answer = CliRunner().invoke(app, ["data", str(folder)])
    text = " ".join(answer.stdout.split())
    assert "train 71 images of 6 identities, 24 tracklets; by camera: 1: 35, 2: 36" in text
    assert "73 images of 6 identities, 1 junk, 25 tracklets" in text
    assert "not the published mars: train: 71 images, published 509,914" in text
    assert "left out: " in text


def test_a_bad_name_is_an_error() -> None:
    assert isinstance(CliRunner().invoke(app, ["data", "/nowhere"]).exception, TrainError)


def test_every_command_says_what_is_odd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_named(str(write_layout("viper", tmp_path / "VIPeR")))
    said = capsys.readouterr().err
    assert "note: " in said
    assert "not the published viper" in said
