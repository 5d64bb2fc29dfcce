"""The API on a real store."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipeline.errors import CamtrailError
from pipeline.store import Said, Store
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.pipeline.viewer.conftest import Stored

API = "/api/v1"
START = 1767600000.0  # 2026-01-05T08:00:00Z


def get(stored: Stored, path: str, **values: Any) -> Any:
    answer = stored.client.get(API + path, params=values)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(camera: str, since: float, until: float) -> set[int]:
    """Whom the site's plan has in this camera at these seconds."""
    return {
        person
        for person, name, first, last in stored_site.STAYS
        if camera in ("", name)
        and (last - 1) / stored_site.FPS >= since
        and (first - 1) / stored_site.FPS <= until
    }


def test_lists_everybody_the_last_seen_first(stored: Stored) -> None:
    answer = get(stored, "/identities")
    people = answer["identities"]
    assert [p["identity"] for p in people] == [1, 2, 3]
    assert answer["total"] == 3
    assert answer["next"] is None
    assert people[0] == {
        "identity": 1,
        "name": None,
        "staff": False,
        "watched": None,
        "first_seen": START,
        "last_seen": pytest.approx(START + 11.9),
        "visits": 3,
        "cameras": ["gate", "lobby"],
        "crop": people[0]["crop"],
    }


@pytest.mark.parametrize("sort", ["last_seen", "first_seen", "visits", "identity"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_everybody_once_in_order(stored: Stored, sort: str, order: str) -> None:
    people, after = [], {}
    while True:
        answer = get(stored, "/identities", sort=sort, order=order, limit=1, **after)
        people += answer["identities"]
        if answer["next"] is None:
            break
        after = {"after": answer["next"]}
    assert sorted(p["identity"] for p in people) == [1, 2, 3]
    for one, other in pairwise(people):
        low, high = (one, other) if order == "asc" else (other, one)
        assert (low[sort], low["identity"]) < (high[sort], high["identity"])


@pytest.mark.parametrize("camera", ["", "gate", "lobby"])
@pytest.mark.parametrize(("since", "until"), [(0, 12), (4.2, 6.9), (9.1, 12), (11.95, 99)])
def test_leaves_out_by_camera_and_time_together(
    stored: Stored, camera: str, since: float, until: float
) -> None:
    values: dict[str, Any] = {"camera": camera} if camera else {}
    answer = get(stored, "/identities", since=START + since, until=START + until, **values)
    expected = seen(camera, since, until)
    assert {p["identity"] for p in answer["identities"]} == expected
    assert answer["total"] == len(expected)


def test_a_time_may_be_a_date(stored: Stored) -> None:
    assert get(stored, "/identities", since="2026-01-05T08:00:12Z")["total"] == 0
    assert get(stored, "/identities", until="2026-01-05T08:00:00")["total"] == 1


def test_one_identity_and_its_visits(stored: Stored) -> None:
    person = get(stored, "/identities/1")
    answer = get(stored, "/identities/1/visits")
    visits = answer["visits"]
    assert answer["total"] == person["visits"] == 3
    assert [v["camera"] for v in visits] == ["gate", "lobby", "gate"]
    assert [v["start"] for v in visits] == sorted((v["start"] for v in visits), reverse=True)
    assert visits[-1]["gap"] is None
    assert [v["gap"] for v in visits[:-1]] == pytest.approx([1.1, 2.1], abs=1e-3)
    decisions = [v["decisions"][-1] for v in visits]
    assert [d["decision"] for d in decisions] == ["matched", "matched", "new"]
    assert [d["similarity"] for d in decisions] == [0.8, 0.8, None]
    assert [d["runner_up"] for d in decisions] == [0.4, 0.4, None]
    assert [d["confidence"] for d in decisions] == [None, None, None]  # none was kept


def test_visits_come_in_pages(stored: Stored) -> None:
    whole = get(stored, "/identities/1/visits")["visits"]
    page = get(stored, "/identities/1/visits", limit=2)
    rest = get(stored, "/identities/1/visits", limit=2, after=page["next"])
    assert page["visits"] + rest["visits"] == whole
    assert rest["next"] is None


def test_says_who_confirmed(stored: Stored) -> None:
    key = next(a.key for a in stored.assignments if a.identity == 3)
    with Store.open(stored.site.store_url) as store:
        store.confirm(3, [key], Said("Ada", 1.0, 1.0))
    visits = get(stored, "/identities/3/visits")["visits"]
    assert [v["confirmed_by"] for v in visits] == ["Ada"]


def test_crops_are_the_stored_pictures(stored: Stored) -> None:
    for visit in get(stored, "/identities/1/visits")["visits"]:
        assert [crop["url"] for crop in visit["crops"]] == [visit["crop"]]
        answer = stored.client.get(visit["crop"])
        assert answer.headers["content-type"] == "image/jpeg"
        camera, run, track = visit["key"].split("/")
        file = stored.site.crops_dir / "2026-01-05" / camera / f"{run}-{track}-1.jpg"
        assert answer.content == file.read_bytes()


def test_seen_here_and_then_there(stored: Stored) -> None:
    """Beside a plain loop over the plan of the site."""
    for within in (2.0, 2.2, 5.0, 600.0):
        for first in ("gate", "lobby"):
            for then in ("gate", "lobby"):
                found = get(stored, "/sequence", first=first, then=then, within=within)["found"]
                pairs = [(s["identity"]["identity"], s["came"] - START) for s in found]
                assert pairs == plain_sequels(first, then, within)


def plain_sequels(first: str, then: str, within: float) -> list[tuple[int, Any]]:
    found = set()
    for one, a, a_first, a_last in stored_site.STAYS:
        for other, b, b_first, _ in stored_site.STAYS:
            gap = (b_first - a_last) / stored_site.FPS
            if (one, a, b) == (other, first, then) and a_first < b_first and gap <= within:
                found.add((one, (b_first - 1) / stored_site.FPS))
    ranked = sorted(found, key=lambda pair: -pair[1])
    return [(person, pytest.approx(came)) for person, came in ranked]


def test_sequels_come_in_pages(stored: Stored) -> None:
    values = {"first": "gate", "then": "lobby", "within": 600}
    whole = get(stored, "/sequence", **values)
    lobby = get(stored, "/sequence", **{**values, "first": "lobby", "then": "gate"})
    page = get(stored, "/sequence", limit=1, first="lobby", then="gate", within=600)
    rest = get(
        stored, "/sequence", limit=1, after=page["next"], first="lobby", then="gate", within=600
    )
    assert whole["total"] == 1
    assert page["found"] + rest["found"] == lobby["found"]
    assert rest["next"] is None


def test_cameras_are_listed_though_nothing_runs(stored: Stored) -> None:
    answer = get(stored, "/cameras")
    assert [c["camera"] for c in answer["cameras"]] == ["gate", "lobby"]
    assert [c["health"] for c in answer["cameras"]] == [None, None]
    assert "Redis is away" in answer["redis"]
    assert answer["store"] == ""
    assert get(stored, "/present") == []


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/identities/999", 404, "there is no identity 999"),
        ("/identities/999/visits", 404, "there is no identity 999"),
        ("/identities/0", 422, ""),
        ("/identities/99999999999999999999", 422, ""),
        ("/identities/one", 422, ""),
        ("/identities?camera=cellar", 404, "there is no camera 'cellar'; there are: gate, lobby"),
        ("/identities?limit=0", 422, ""),
        ("/identities?limit=100000", 422, ""),
        ("/identities?after=nonsense", 422, "no cursor"),
        ("/identities?after=W10", 422, "no cursor"),
        ("/identities?after=%C3%A4", 422, "no cursor"),
        ("/identities?sort=name", 422, ""),
        ("/identities?since=yesterday", 422, ""),
        ("/identities/1/visits?after=999", 422, "is no visit of this identity"),
        ("/crops/999/1", 404, "no picture 1 of tracklet 999"),
        ("/crops/1/999", 404, "no picture 999 of tracklet 1"),
        ("/sequence?first=gate&then=cellar", 404, "no camera 'cellar'"),
        ("/sequence?first=gate", 422, ""),
        ("/sequence?first=gate&then=lobby&within=-1", 422, ""),
        ("/sequence?first=gate&then=lobby&within=nan", 422, ""),
        ("/nothing", 404, ""),
    ],
)
def test_bad_questions_are_answered_in_words(
    stored: Stored, path: str, status: int, says: str
) -> None:
    answer = stored.client.get(API + path)
    assert answer.status_code == status
    assert says in str(answer.json()["detail"])


@pytest.mark.parametrize("up", ["../", "..%2F", "..%5C", "%2e%2e/", "....//", "%00", "1/../../"])
@pytest.mark.parametrize(
    "place",
    ["/crops/{}", "/crops/1/{}", "/crops/{}/1", "/identities/{}", "/identities/{}/visits", "/{}"],
)
def test_nothing_leads_out_of_the_folder_of_crops(stored: Stored, place: str, up: str) -> None:
    answer = stored.client.get(API + place.format(f"{up * 6}etc/passwd"))
    assert answer.status_code in (404, 422)
    assert b"root:" not in answer.content
    static = stored.client.get(f"/static/{up * 6}etc/passwd")
    assert static.status_code in (404, 405)


def test_a_file_name_in_the_store_that_leads_outside_is_not_read(tmp_path: Path) -> None:
    import sqlite3

    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    with sqlite3.connect(site.data_dir / "camtrail.sqlite") as store:
        store.execute("UPDATE crops SET file = '../../site.yaml' WHERE tracklet = 1")
    with TestClient(create_app(site), "http://localhost") as client:
        assert client.get(f"{API}/crops/1/1").status_code == 404
        assert client.get(f"{API}/crops/2/1").status_code == 200


def test_an_older_number_leads_to_the_newer_identity(tmp_path: Path) -> None:
    from pipeline.records import Decision
    from pipeline.store import CONFIDENCE, Batch, Outcome, Verdict

    site = stored_site.create(tmp_path)
    assignments = stored_site.fill(site, tmp_path)
    reason = {"rule": "r", "similarity": 0.7, CONFIDENCE: 0.9}
    moved = [
        Verdict(a.key, 1e10, type(a)(a.key, 1, Decision.MATCHED, 0.7, 0.1, 1e10), 3, reason)
        for a in assignments
        if a.identity == 3
    ]
    with Store.open(site.store_url) as store:
        store.commit(Batch([], [], Outcome(verdicts=moved)))
        with pytest.raises(CamtrailError, match="no identity 3 any more; it is part of 1 now"):
            store.identity(3)
    with TestClient(create_app(site), "http://localhost") as client:
        answer = client.get(f"{API}/identities/3")
        assert answer.status_code == 404
        assert answer.json()["detail"] == "there is no identity 3 any more; it is part of 1 now"
        visits = client.get(f"{API}/identities/1/visits").json()["visits"]
    repaired = next(v for v in visits if len(v["decisions"]) == 2)
    assert [d["identity"] for d in repaired["decisions"]] == [3, 1]
    assert repaired["decisions"][-1]["rule"] == "r"
    assert repaired["decisions"][-1]["confidence"] == 0.9
    assert repaired["decisions"][-1]["terms"] == {"similarity": 0.7}


def test_without_a_store_it_says_so_and_recovers(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    with TestClient(create_app(site), "http://localhost") as client:
        answer = client.get(f"{API}/identities")
        assert answer.status_code == 503
        assert "there is no store yet" in answer.json()["detail"]
        assert client.get("/identities").status_code == 200
        stored_site.fill(site, tmp_path)
        assert client.get(f"{API}/identities").json()["total"] == 3


def test_every_answer_has_the_headers(stored: Stored) -> None:
    for path in ("/identities", "/identities/1", "/search", "/static/style.css", API + "/cameras"):
        headers = stored.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_load_nothing_from_elsewhere() -> None:
    folder = Path(create_app.__code__.co_filename).parent
    files = [*(folder / "templates").iterdir(), *(folder / "static").iterdir()]
    assert len(files) > 10
    for file in files:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, file


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "10.0.0.1:8600"])
def test_another_name_is_refused(stored: Stored, host: str) -> None:
    """Or a page of somebody else's could let its name point here and read everything."""
    answer = stored.client.get(f"{API}/identities", headers={"host": host})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8600", "[::1]:8600", "localhost", "LOCALHOST:1"])
def test_its_own_names_are_not(stored: Stored, host: str) -> None:
    assert stored.client.get(f"{API}/identities", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:81"])
def test_a_form_of_another_page_is_refused(stored: Stored, origin: str) -> None:
    answer = stored.client.post(f"{API}/search/picture", headers={"origin": origin}, content=b"x")
    assert answer.status_code == 403


def test_the_description_is_complete(stored: Stored) -> None:
    paths = get(stored, "/openapi.json")["paths"]
    assert {path.removeprefix(API) for path in paths} >= {
        "/cameras",
        "/identities",
        "/identities/{identity}",
        "/identities/{identity}/visits",
        "/crops/{tracklet}/{seq}",
        "/sequence",
        "/search/picture",
        "/events",
        "/present",
    }
    assert all("description" in m for methods in paths.values() for m in methods.values())
