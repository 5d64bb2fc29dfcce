"""The measurement of DG-Net's steps, on sizes that take seconds."""

from __future__ import annotations

import json
import sys

import pytest

from train.bench import generation
from train.cli import main

SMALL = ["generator.width=1", "discriminator.width=1", "identities_per_batch=2", "workers=0"]


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["camtrail-train", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_a_step_against_its_networks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generation, "_ROUNDS", 1)
    changes = [part for change in SMALL for part in ("--set", change)]
    assert bench(monkeypatch, "dgnet", *changes, "--json") == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step["precision"] for step in steps] == ["bf16", "fp32"]
    for step in steps:
        assert step["batch"] == 4
        assert step["ratio"] == pytest.approx(step["milliseconds"] / step["bare_milliseconds"])
        assert step["ratio"] > 0.5  # the bare networks are a lower bound but for noise
        assert step["hours"] == pytest.approx(step["milliseconds"] / 36)
        assert all(step[held] is None or step[held] > 0 for held in ("memory", "bare_memory"))


def test_a_table_that_cuts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generation, "_ROUNDS", 1)
    changes = [part for change in SMALL for part in ("--set", change)]
    assert bench(monkeypatch, "dgnet", *changes) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(name in shown for name in ("bf16", "fp32", "milliseconds", "bare memory, GiB"))


def test_parts_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "gan") == 2
    assert "'gan' cannot be timed; known are: all, dgnet" in capsys.readouterr().err
