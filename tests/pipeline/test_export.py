"""What leaves the house under pseudonyms says who went where, and nothing of who it was."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.store import Store
from tests.pipeline import stored_site
from tests.pipeline.test_correct import camtrail, told

START = "2026-01-05T08:00:0"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    stored_site.fill(stored_site.create(tmp_path), tmp_path)
    path = tmp_path / "site.yaml"
    camtrail("rename", 1, "Ada Lovelace", path)
    camtrail("watch", 2, path, "--reason", "lost a bag")
    return path


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_who_went_where(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert told("export", site, "--out", out)["visits"] == 6
    visits = rows(out / "visits.csv")
    by_person: dict[str, list[tuple[str, str, str]]] = {}
    for row in sorted(visits, key=lambda row: row["start"]):
        stay = (row["camera"], row["start"], row["end"])
        by_person.setdefault(row["person"], []).append(stay)
    assert sorted(by_person.values()) == [
        [
            ("gate", START + "0Z", START + "3Z"),
            ("lobby", START + "6Z", START + "8Z"),
            ("gate", "2026-01-05T08:00:10Z", "2026-01-05T08:00:11Z"),
        ],
        [("gate", START + "3Z", START + "7Z")],
        [("lobby", START + "1Z", START + "4Z"), ("gate", START + "7Z", "2026-01-05T08:00:10Z")],
    ]
    ways = {(row["from"], row["to"], row["left"]) for row in rows(out / "transitions.csv")}
    assert ways == {
        ("gate", "lobby", START + "3Z"),
        ("lobby", "gate", START + "8Z"),
        ("lobby", "gate", START + "4Z"),
    }


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_nothing_identifying_is_in_it(site: Path, tmp_path: Path, format_: str) -> None:
    texts = []
    for name in ("one", "two"):
        camtrail("export", site, "--out", tmp_path / name, "--format", format_)
        files = sorted((tmp_path / name).iterdir())
        assert [file.name for file in files] == [f"transitions.{format_}", f"visits.{format_}"]
        texts.append("".join(file.read_text() for file in files))
    with Store.open(load_site(site).store_url, read_only=True) as store:
        numbers = {v.key.run for p in store.identities() for v in store.identity(p.identity).visits}
    for secret in ("Ada", "Lovelace", "bag", ".jpg", *numbers):
        assert secret not in texts[0]
    one, two = (set(re.findall(r"\b[0-9a-f]{16}\b", text)) for text in texts)
    assert (len(one), len(two)) == (3, 3)
    assert not one & two  # two exports cannot be joined
    if format_ == "jsonl":
        lines = [json.loads(line) for line in texts[0].splitlines()]
        allowed = {"person", "camera", "start", "end", "from", "to", "left", "came"}
        assert set().union(*lines) == allowed
    else:
        assert not re.search(r"[0-9]\.[0-9]", texts[0])  # no similarity, no path


def test_times_are_coarsened(site: Path, tmp_path: Path) -> None:
    camtrail("export", site, "--out", tmp_path / "out", "--coarsen", "5m")
    times = {
        row[name] for row in rows(tmp_path / "out" / "visits.csv") for name in ("start", "end")
    }
    assert times == {START + "0Z"}
    since = ("--since", "2026-01-05T08:00:05+00:00")
    assert told("export", site, "--out", tmp_path / "late", *since)["visits"] == 3


def test_what_is_refused(site: Path, tmp_path: Path) -> None:
    with pytest.raises(CamtrailError, match="is not empty"):
        camtrail("export", site, "--out", tmp_path)
    with pytest.raises(CamtrailError, match="--coarsen soon: expected a length"):
        camtrail("export", site, "--out", tmp_path / "out", "--coarsen", "soon")
    with pytest.raises(CamtrailError, match="--format xls: there are csv, jsonl"):
        camtrail("export", site, "--out", tmp_path / "out", "--format", "xls")
    assert not (tmp_path / "out").exists()
