"""The measurement of a step without labels, on sizes that take seconds."""

from __future__ import annotations

import json
import sys

import pytest

from train.cli import main

SMALL = ["height=64", "width=32", "identities_per_batch=2", "images_per_identity=2", "workers=0"]
SMALL += ["precision=fp32", "clustering.k1=4", "clustering.k2=2"]


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    changes = [part for change in SMALL for part in ("--set", change)]
    arguments = ["camtrail-train", "bench", "unsupervised", *changes, "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step["method"] for step in steps] == ["ice", "abmt"]
    for step in steps:
        assert (step["batch"], step["precision"]) == (4, "fp32")
        assert step["bare_milliseconds"] > 0
        assert step["ratio"] == pytest.approx(step["milliseconds"] / step["bare_milliseconds"])
