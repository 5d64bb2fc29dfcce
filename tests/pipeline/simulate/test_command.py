from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import CamtrailError
from pipeline.simulate import command
from pipeline.simulate.crops import CropOptions


def test_prints_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.simulate(tmp_path, 1, 1, 2, 1.0, 5.0, overlap=False, crops=False, json=False)
    said = capsys.readouterr()
    assert f"camtrail run {tmp_path / 'site.yaml'} --until-end" in said.out
    assert said.err == ""


def test_json_and_crops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Real crops, only fewer than a user gets.
    few = CropOptions(seed=1, train_identities=1, test_identities=1, cameras=1, per_camera=2)
    monkeypatch.setattr(command, "CropOptions", lambda seed: few)
    command.simulate(tmp_path, 1, 1, 2, 1.0, 5.0, overlap=False, crops=True, json=True)
    said = json.loads(capsys.readouterr().out)
    assert Path(said["site"]).is_file()
    assert said["frames"] == 5
    assert len(list(Path(said["crops"]).rglob("*.jpg"))) == 4


def test_bad_options_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="people"):
        command.simulate(tmp_path / "x", 1, 3, 0, 60, 10, overlap=False, crops=False, json=False)
    assert not (tmp_path / "x").exists()
