"""What people say on the command line, on a real store, while nothing runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import CamtrailError
from tests.pipeline import stored_site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored_site.fill(stored_site.create(tmp_path), tmp_path)
    return tmp_path


def camtrail(*words: object) -> str:
    """What a command prints; its error is raised."""
    arguments = [str(word) for word in words]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    if isinstance(result.exception, CamtrailError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*words: object) -> dict[str, Any]:
    return dict(json.loads(camtrail(*words, "--json")))


def person(folder: Path, identity: int) -> dict[str, Any]:
    return told("show", identity, folder / "site.yaml")


def test_staff_and_the_watch_list(folder: Path) -> None:
    site = folder / "site.yaml"
    assert camtrail("watch", site, "--list") == "nobody is watched for\n"
    assert camtrail("staff", 2, site) == "identity 2 is staff\n"
    watched = camtrail("watch", 2, site, "--reason", "lost a bag")
    assert watched == "identity 2 is watched for\n"
    assert (person(folder, 2)["staff"], person(folder, 2)["watched"]) == (True, "lost a bag")
    listed = camtrail("watch", site, "--list")
    assert listed.startswith("identity 2, last seen 2026-01-05 ")
    assert listed.endswith(": lost a bag\n")
    assert [p["identity"] for p in told("watch", site, "--list")["watched"]] == [2]
    assert "2 (staff, watched for)" in camtrail("identities", site)
    assert camtrail("staff", 2, site, "--no") == "identity 2 is not staff\n"
    assert camtrail("watch", 2, site, "--no") == "identity 2 is not watched for\n"
    assert (person(folder, 2)["staff"], person(folder, 2)["watched"]) == (False, None)


def test_a_merge_that_contradicts_what_was_seen_is_asked_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = folder / "site.yaml"  # 1 and 2 are in the two cameras at once
    with pytest.raises(CamtrailError, match=r"two places at once: .*; give --force to do it all"):
        camtrail("merge", 1, 2, site)
    monkeypatch.setattr("pipeline.correct._person_there", lambda: True)
    asked = CliRunner().invoke(app, ["merge", "1", "2", str(site)], input="n\n")
    assert asked.exit_code == 1
    assert "Do it all the same?" in asked.stderr
    assert told("corrections", site)["corrections"] == []
    asked = CliRunner().invoke(app, ["merge", "1", "2", str(site)], input="y\n")
    assert asked.stdout.endswith("identity 2 is identity 1 now, which has 5 tracklets\n")
    camtrail("undo", site)
    assert camtrail("merge", 1, 2, site, "--force").startswith("identity 2 is identity 1 now")


def test_undo_and_the_history(folder: Path) -> None:
    site = folder / "site.yaml"
    assert camtrail("corrections", site) == "nothing was corrected yet\n"
    camtrail("rename", 1, "Ada", site, "--by", "grace")
    camtrail("rename", 1, "Alan", site, "--by", "grace")
    with pytest.raises(CamtrailError, match="nothing of ada"):
        camtrail("undo", site, "--by", "ada")
    with pytest.raises(CamtrailError, match=r"correction 1 .* before correction 2"):
        camtrail("undo", 1, site)
    undone = camtrail("undo", site, "--by", "grace")
    assert undone == "taken back: correction 2, rename of identity 1\n"
    assert person(folder, 1)["name"] == "Ada"
    camtrail("undo", 1, site, "--by", "ada")  # who may write the store may do that
    assert person(folder, 1)["name"] is None
    history = told("corrections", site)["corrections"]
    assert [(c["number"], c["kind"], c["author"], c["undone_by"]) for c in history] == [
        (4, "undo", "ada", None),
        (3, "undo", "grace", None),
        (2, "rename", "grace", 3),
        (1, "rename", "grace", 4),
    ]
    assert "undo 2" in camtrail("corrections", site)
    assert len(told("corrections", site, "--limit", 1)["corrections"]) == 1


def test_what_is_exported_as_confirmed_follows_an_undo(folder: Path) -> None:
    site = folder / "site.yaml"

    def exported(name: str) -> list[str]:
        told("crops", "export", site, "--out", folder / name, "--labels", "confirmed")
        return sorted(p.name[:4] for p in (folder / name).rglob("*.jpg"))

    camtrail("confirm", 1, site)
    before = exported("before")
    camtrail("split", 1, site, "--tracklet", _last(folder, 1))
    assert exported("split") != before
    camtrail("undo", site)
    assert exported("after") == before
    camtrail("undo", site)
    with pytest.raises(CamtrailError, match="6 have no label"):
        exported("none")


def _last(folder: Path, identity: int) -> str:
    return str(person(folder, identity)["visits"][-1]["key"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("watch", "site.yaml"), "which identity"),
        (("undo", 1, 2, 3), "1 2 3: expected"),
        (("undo", "x", "y"), "x y: expected .CORRECTION. .SITE."),
        (("watch", 99), "there is no identity 99"),
        (("staff", 99), "there is no identity 99"),
        (("undo", 99), "there is no correction 99"),
    ],
)
def test_what_cannot_be_done_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], text: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(CamtrailError, match=text):
        camtrail(*words)
