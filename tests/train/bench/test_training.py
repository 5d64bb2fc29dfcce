"""The measurement of training and embedding, on sizes that take seconds."""

from __future__ import annotations

import json
import sys

import pytest

from train.bench.training import measure_embedding, measure_training
from train.cli import main
from train.run import method_settings

SMALL = ["height=64", "width=32", "identities_per_batch=2", "workers=0", "precision=fp32"]


@pytest.mark.parametrize("method", ["baseline", "scr"])
def test_training_is_no_faster_than_the_bare_network(method: str) -> None:
    found = measure_training(method, method_settings(method, changes=SMALL), steps=2, rounds=1)
    assert found.batch == 8
    assert 0 < found.ours < 1.5 * found.bare  # the bare one is a lower bound but for noise
    assert found.share == pytest.approx(found.ours / found.bare)


def test_embedding() -> None:
    settings = method_settings("baseline", changes=SMALL)
    found = measure_embedding(settings, "cpu", batches=2, rounds=1)
    assert found.batch == 32
    assert found.bare > 0
    assert found.share == pytest.approx(found.ours / found.bare)


@pytest.mark.slow
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    changes = [part for change in SMALL for part in ("--set", change)]
    arguments = ["camtrail-train", "bench", "--size", "0.01", *changes]
    for more in (["--json"], []):
        monkeypatch.setattr(sys, "argv", [*arguments, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        out = capsys.readouterr().out
        if more:
            measured = json.loads(out)
            assert list(measured) == ["training", "embedding", "evaluation", "re-ranking"]
            assert measured["evaluation"]["queries"] == 34
            assert measured["re-ranking"]["against_plain"]["difference"] < 1e-6
        else:
            assert "images/s" in out
            assert "faster" in out  # in as many lines as the terminal needs
