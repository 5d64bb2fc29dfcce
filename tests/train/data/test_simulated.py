"""Simulated people as a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import CamtrailError
from train.data import open_data, simulated
from train.errors import TrainError

SMALL = "simulated:seed=9300,train_identities=2,test_identities=2,cameras=2,per_camera=2"


def test_rendered_once_and_then_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAMTRAIL_CACHE", str(tmp_path / "cache"))
    data = open_data(SMALL)
    assert (data.name, data.kind) == (SMALL, "simulated")
    assert "rendering" in capsys.readouterr().err
    assert {s.camera for s in data.train} == {1, 2}
    assert len({s.identity for s in data.train}) == 2
    again = open_data(SMALL)
    assert capsys.readouterr().err == ""
    assert again.train == data.train
    assert len(list((tmp_path / "cache").iterdir())) == 1  # nothing unfinished is left


def test_an_interrupted_rendering_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMTRAIL_CACHE", str(tmp_path))

    def interrupted(out: Path, options: object) -> None:
        out.mkdir()
        (out / "half").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(simulated, "simulate_crops", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_data(SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("simulated:people=3", "unknown option 'people'; known: seed, train_identities"),
        ("simulated:seed=x", "seed must be a whole number, not 'x'"),
        ("simulated:seed=-1", "whole number"),
        ("simulated:cameras=0", "cameras must be in"),
    ],
)
def test_bad_options(name: str, text: str) -> None:
    with pytest.raises((TrainError, CamtrailError), match=text):
        open_data(name)
