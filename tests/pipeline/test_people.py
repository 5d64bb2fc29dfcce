"""`camtrail identities` and `camtrail show` on a real store."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime
from pathlib import Path

import pytest

from pipeline import people
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.records import Assignment
from tests.pipeline import stored_site

Stored = tuple[Site, list[Assignment]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    folder = tmp_path_factory.mktemp("site")
    site = stored_site.create(folder)
    return site, stored_site.fill(site, folder)


def printed(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_lists_everybody_the_last_seen_first(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    site, assignments = stored
    people.list_identities(site, None, None, 100, as_json=True)
    data = printed(capsys)
    assert {row["identity"] for row in data["identities"]} == {a.identity for a in assignments}
    seen = [row["last_seen"] for row in data["identities"]]
    assert seen == sorted(seen, reverse=True)
    assert data["total"] == len(seen)
    assert sum(row["tracklets"] for row in data["identities"]) == len(assignments)
    assert all(Path(row["crop"]).is_file() for row in data["identities"])


def test_leaves_out_by_camera_time_and_number(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    site, assignments = stored
    camera = assignments[0].key.camera
    people.list_identities(site, camera, None, 100, as_json=True)
    found = {row["identity"] for row in printed(capsys)["identities"]}
    assert found == {a.identity for a in assignments if a.key.camera == camera}
    people.list_identities(site, None, "2099-01-01", 100, as_json=True)
    assert printed(capsys) == {"identities": [], "total": 0}
    people.list_identities(site, None, "2020-01-01", 1, as_json=True)
    data = printed(capsys)
    assert len(data["identities"]) == 1
    assert data["total"] > 1


def test_the_table_says_when_there_is_more(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    site, assignments = stored
    people.list_identities(site, None, None, 1, as_json=False)
    output = capsys.readouterr().out
    assert f"1 of {len({a.identity for a in assignments})}; --limit shows more" in output
    people.list_identities(site, None, "2099-01-01", 1, as_json=False)
    assert capsys.readouterr().out == "nobody\n"


def test_an_unknown_camera_is_an_error(stored: Stored) -> None:
    with pytest.raises(CamtrailError, match="there is no camera 'cellar'"):
        people.list_identities(stored[0], "cellar", None, 10, as_json=False)


def test_shows_the_visits_in_order_with_gaps(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    site, assignments = stored
    identities = [a.identity for a in assignments]
    busiest = max(set(identities), key=identities.count)
    people.show_identity(site, busiest, as_json=True)
    data = printed(capsys)
    visits = data["visits"]
    assert len(visits) == identities.count(busiest)
    assert visits == sorted(visits, key=lambda v: v["start"])
    assert visits[0]["gap"] is None
    assert [v["camera"] for v in visits] == ["gate", "lobby", "gate"]
    assert [v["gap"] for v in visits[1:]] == pytest.approx([2.1, 1.1], abs=1e-3)
    assert [v["duration"] for v in visits] == pytest.approx([3.9, 2.9, 1.9], abs=1e-3)
    first = next(v for v in visits if v["decision"] == "new")
    assert first["similarity"] is None
    assert {v["similarity"] for v in visits if v["decision"] == "matched"} == {0.8}
    assert data["first_seen"] == visits[0]["start"]


def test_shows_them_as_a_table(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    site, assignments = stored
    people.show_identity(site, assignments[0].identity, as_json=False)
    output = capsys.readouterr().out
    assert f"identity {assignments[0].identity}: " in output
    assert ".jpg" in output
    assert "nan" not in output


def test_an_unknown_identity_names_the_range(stored: Stored) -> None:
    numbers = [a.identity for a in stored[1]]
    with pytest.raises(
        CamtrailError, match=f"no identity 999; there are {min(numbers)} to {max(numbers)}"
    ):
        people.show_identity(stored[0], 999, as_json=False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604_800)]
)
def test_since_takes_how_long_ago(text: str, seconds: float) -> None:
    assert people.parse_time(text, 1e9, "--since") == 1e9 - seconds


def test_since_takes_a_date_in_local_time_or_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        utc = datetime.fromisoformat("2026-01-05T08:00:00+00:00").timestamp()
        assert people.parse_time("2026-01-05T09:00", 0, "--since") == utc
        assert people.parse_time("2026-01-05T08:00Z", 0, "--since") == utc
        assert people.parse_time("2026-01-05", 0, "--since") == utc - 9 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["yesterday", "", "12", "5w", "2026-13-01", "-3h"])
def test_since_refuses_the_rest(text: str) -> None:
    with pytest.raises(CamtrailError, match=r"--until .*: expected a time such as"):
        people.parse_time(text, math.pi, "--until")
