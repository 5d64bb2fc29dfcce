"""Corrections through the API and the page, carried out by a real matcher."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from pipeline.config import Site
from tests.pipeline.viewer import filmed
from tests.pipeline.viewer.conftest import API, Running, Stored


def test_split_and_merge_again(running: Running) -> None:
    client, one = running.client, running.several()
    visits = running.visits(one)
    answer = client.post(f"{API}/identities/{one}/split", json={"tracklets": [visits[0]["key"]]})
    assert answer.status_code == 200, answer.text
    new = answer.json()["identity"]
    running.await_(lambda: new in running.people())
    assert [v["key"] for v in running.visits(new)] == [visits[0]["key"]]
    assert len(running.visits(one)) == len(visits) - 1
    back = client.post(f"{API}/identities/{new}/merge", json={"other": one})
    assert back.json()["identity"] == one
    running.await_(lambda: new not in running.people())
    assert len(running.visits(one)) == len(visits)
    gone = client.get(f"{API}/identities/{new}")
    assert gone.status_code == 404
    assert f"part of {one} now" in gone.json()["detail"]


def test_what_contradicts_what_was_seen_takes_force(running: Running) -> None:
    client = running.client
    visits = {i: running.visits(i) for i in sorted(running.people())}
    one, other = next(
        (i, j)
        for i, ours in visits.items()
        for j, theirs in visits.items()
        if i < j
        and any(
            a["start"] + 1 < b["end"] and b["start"] + 1 < a["end"] for a in ours for b in theirs
        )
    )
    path = f"{API}/identities/{one}/merge"
    refused = client.post(path, json={"other": other})
    assert (refused.status_code, refused.json()["contradiction"]) == (409, True)
    assert "were in two places at once" in refused.json()["detail"]
    assert other in running.people()
    done = client.post(path, json={"other": other, "force": True})
    assert done.json()["identity"] == one
    running.await_(lambda: other not in running.people())
    undone = client.post(f"{API}/corrections/{done.json()['correction']}/undo?force=true")
    assert undone.status_code == 200
    running.await_(lambda: other in running.people())
    with sqlite3.connect(running.site.data_dir / "camtrail.sqlite") as store:
        told = store.execute("SELECT detail FROM audit WHERE action = 'merge'").fetchall()
    assert any("were in two places at once" in detail for (detail,) in told)


def test_name_and_confirm(running: Running) -> None:
    client, one = running.client, running.several()
    assert client.put(f"{API}/identities/{one}/name", json={"name": " Grace "}).status_code == 200
    assert client.get(f"{API}/identities/{one}").json()["name"] == "Grace"
    client.put(f"{API}/identities/{one}/name", json={"name": None})
    assert client.get(f"{API}/identities/{one}").json()["name"] is None
    assert client.post(f"{API}/identities/{one}/confirm", json={}).status_code == 200
    assert all(v["confirmed_by"] for v in running.visits(one))


def test_what_was_done_is_undone(running: Running) -> None:
    client, one = running.client, running.several()
    visits = running.visits(one)
    path = f"{API}/identities/{one}"
    done = client.post(f"{path}/split", json={"tracklets": [visits[0]["key"]]}).json()
    renamed = client.put(f"{path}/name", json={"name": "Grace"}).json()["correction"]
    early = client.post(f"{API}/corrections/{done['correction']}/undo")
    assert early.status_code == 409
    assert f"before correction {renamed} (rename of {one})" in early.json()["detail"]
    assert client.post(f"{API}/corrections/{renamed}/undo").json()["identity"] == one
    assert client.get(path).json()["name"] is None
    back = client.post(f"{API}/corrections/{done['correction']}/undo")
    assert back.json()["identity"] == one
    running.await_(lambda: len(running.visits(one)) == len(visits))
    assert done["identity"] not in running.people()
    page = client.get(f"{API}/corrections", params={"limit": 2}).json()
    assert [(c["kind"], c["undoes"]) for c in page["corrections"]] == [
        ("undo", done["correction"]),
        ("undo", renamed),
    ]
    rest = client.get(f"{API}/corrections", params={"after": page["next"], "limit": 2}).json()
    assert [(c["kind"], c["undone_by"] is None) for c in rest["corrections"]] == [
        ("rename", False),
        ("split", False),
    ]
    for number, status in ((renamed, 409), (10**6, 409), (0, 422), ("x", 422), (2**70, 422)):
        answer = client.post(f"{API}/corrections/{number}/undo")
        assert (answer.status_code, number) == (status, number), answer.text


def test_staff_can_be_left_out_and_people_watched_for(running: Running) -> None:
    client, one = running.client, running.several()

    def listed(**only: bool) -> set[int]:
        found = client.get(f"{API}/identities", params=only).json()
        assert found["total"] == len(found["identities"])
        return {person["identity"] for person in found["identities"]}

    everybody = listed()
    for identity in everybody:
        path = f"{API}/identities/{identity}"
        marked = client.put(f"{path}/staff", json={"staff": identity == one})
        assert marked.json()["identity"] == identity
    assert listed(staff=True) == {one}
    assert listed(staff=False) == everybody - {one}
    present = {True: set(), False: set()}
    for wanted, found in present.items():
        answer = client.get(f"{API}/present", params={"staff": wanted}).json()
        found |= {person["identity"]["identity"] for person in answer}
    assert present[True] <= {one}
    assert one not in present[False]
    assert present[True] | present[False]
    path = f"{API}/identities/{one}"
    assert client.put(f"{path}/watch", json={"reason": " lost a bag "}).status_code == 200
    assert client.get(path).json()["watched"] == "lost a bag"
    assert listed(watched=True) == {one}
    assert listed(watched=False, staff=False) == everybody - {one}
    assert client.put(f"{path}/watch", json={"reason": None}).status_code == 200
    assert client.put(f"{path}/staff", json={"staff": False}).status_code == 200
    assert listed(watched=True) == listed(staff=True) == set()
    assert client.put(f"{path}/watch", json={"reason": "x" * 501}).status_code == 422
    assert client.put(f"{path}/staff", json={"staff": "perhaps"}).status_code == 422


def test_of_two_who_merge_the_same_at_once_one_is_told(running: Running) -> None:
    client, one = running.client, running.several()
    key = running.visits(one)[0]["key"]
    path = f"{API}/identities/{one}"
    new = client.post(f"{path}/split", json={"tracklets": [key]}).json()["identity"]
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(client.post, f"{path}/merge", json={"other": new}) for _ in range(2)]
        answers = sorted((future.result() for future in asked), key=lambda a: a.status_code)
    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[0].json()["identity"] == one
    assert f"identity {new} is part of {one} now: " in answers[1].json()["detail"]
    assert " merged them" in answers[1].json()["detail"]


def test_what_is_refused(running: Running) -> None:
    client, one = running.client, running.several()
    keys = [visit["key"] for visit in running.visits(one)]
    for method, path, body, status in (
        ("POST", f"{one}/split", {"tracklets": keys}, 409),
        ("POST", f"{one}/split", {"tracklets": []}, 422),
        ("POST", f"{one}/split", {"tracklets": ["../../etc/passwd"]}, 422),
        ("POST", f"{one}/split", {"tracklets": [f"gate/{filmed.RUN}/999"]}, 409),
        ("POST", f"{one}/merge", {"other": one}, 409),
        ("POST", f"{one}/merge", {"other": 999}, 409),
        ("POST", "999/merge", {"other": one}, 409),
        ("POST", f"{one}/merge", {"other": "x"}, 422),
        ("PUT", f"{one}/name", {"name": ""}, 422),
        ("PUT", f"{one}/name", {"name": "x" * 201}, 422),
        ("POST", f"{one}/confirm", {"more": 1}, 422),
        ("DELETE", "999", None, 409),
    ):
        answer = client.request(method, f"{API}/identities/{path}", json=body)
        assert answer.status_code == status, (method, path, body, answer.text)
        assert answer.json()["detail"]
    hostile = {"Origin": "http://elsewhere.example"}
    assert client.delete(f"{API}/identities/{one}", headers=hostile).status_code == 403
    assert one in running.people()


def test_who_is_forgotten_is_gone_from_the_pages_too(running: Running) -> None:
    client = running.client
    gone = max(running.people())
    keys = [visit["key"] for visit in running.visits(gone)]
    crops = [crop["url"] for visit in running.visits(gone) for crop in visit["crops"]]
    assert all(client.get(url).status_code == 200 for url in crops)
    assert client.delete(f"{API}/identities/{gone}").status_code == 204
    running.await_(lambda: gone not in running.people())
    assert all(client.get(url).status_code == 404 for url in crops)
    left = {str(path.relative_to(running.site.crops_dir)) for path in _pictures(running.site)}
    for camera, run, track in (key.split("/") for key in keys):
        assert not any(f"/{camera}/{run}-{track}-" in name for name in left)
    assert left
    with sqlite3.connect(running.site.data_dir / "camtrail.sqlite") as store:
        log = store.execute("SELECT action FROM audit ORDER BY id").fetchall()
    assert log[-1] == ("forget",)


def _pictures(site: Site) -> list[Path]:
    return list(site.crops_dir.rglob("*.jpg"))


def test_without_a_matcher_it_says_so(stored: Stored) -> None:
    answer = stored.client.put(f"{API}/identities/1/name", json={"name": "Ada"})
    assert answer.status_code == 503
    assert "camtrail rename" in answer.json()["detail"]


def test_a_request_can_be_followed_into_the_matcher(running: Running) -> None:
    one = running.several()
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        answer = running.client.put(f"{API}/identities/{one}/name", json={"name": "Grace"})
        assert answer.status_code == 200
        running.client.put(f"{API}/identities/{one}/name", json={"name": None})
    request = answer.headers["X-Request-Id"]
    assert len(request) == 32
    asked = [line for line in lines if line.get("request") == request]
    assert {"asking the matcher", "answered"} <= {line["event"] for line in asked}
    (question,) = (line["question"] for line in asked if "question" in line)
    (done,) = (line for line in lines if line.get("request") == question)
    assert question.startswith(f"{request}-")
    assert (done["event"], done["kind"]) == ("done as asked", "rename")
    assert "Grace" not in str(lines)
    assert str(one) not in {str(line.get("route")) for line in lines}
