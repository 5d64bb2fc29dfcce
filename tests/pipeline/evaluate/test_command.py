"""`camtrail evaluate` on a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import CamtrailError
from pipeline.evaluate import command
from tests.pipeline import stored_site


def test_a_perfect_run_is_perfect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    command.run(site, tmp_path, as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["idf1"] == 1.0
    assert data["hota"] > 0.99  # boxes are stored to an eighth of a pixel or better
    assert (data["false_merges"], data["fragmentation"], data["undecided"]) == (0, 0, 0)
    assert (data["identities"], data["people"]) == (3, 3)
    assert data["time_to_identity"]["median"] == pytest.approx(1.5, abs=1e-3)
    assert list(data["per_camera"]) == ["gate", "lobby"]


def test_two_people_under_one_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path, called={2: 1})
    command.run(site, tmp_path, as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert (data["identities"], data["false_merges"], data["false_merge_rate"]) == (2, 1, 0.5)
    # Of 220 boxes the 80 of the second person are wrong.
    assert data["idf1"] == pytest.approx(140 / 220)


def test_the_tables_explain_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path, called={3: None})
    command.run(site, tmp_path, as_json=False)
    output = " ".join(capsys.readouterr().out.split())
    for words in ("all together", "false merges 0", "identities that hold two people", "IDF1:"):
        assert words in output
    assert "undecided 1" in output


def test_truth_that_lacks_a_camera(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    (tmp_path / "lobby.gt.txt").unlink()
    with pytest.raises(CamtrailError, match="the truth of camera 'lobby' is missing"):
        command.run(site, tmp_path, as_json=True)
