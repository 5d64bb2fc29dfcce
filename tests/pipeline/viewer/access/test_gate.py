"""The application where users are: who is let in, what each role may, and what is written down."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from pipeline.config import Site, Viewer
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.roles import Role
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.pipeline.viewer.access.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("quick_hashes")
API = "/api/v1"
ROLES = [role.value for role in Role]


@dataclass(frozen=True)
class House:
    """A stored site with a user of each role, called like it."""

    site: Site
    tokens: dict[str, str]

    def client(self, address: str = "http://localhost") -> TestClient:
        return TestClient(create_app(self.site), address)

    def log_in(self, name: str, address: str = "http://localhost") -> TestClient:
        client = self.client(address)
        answer = client.post(f"{API}/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client

    def audit(self, **values: Any) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.tokens['administrator']}"}
        answer = self.client().get(f"{API}/audit", params=values, headers=headers)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["lines"])


def settle(site: Site) -> House:
    access = Access(site.data_dir, 1)
    for role in reversed(Role):
        access.users.add(role.value, PASSWORD, role)
    tokens = {name: access.tokens.add(name, "", None, 1)[1] for name in ROLES}
    access.close()
    return House(site, tokens)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, quick_hashes: None) -> House:
    folder = tmp_path_factory.mktemp("site")
    site = stored_site.create(folder)
    stored_site.fill(site, folder)
    return settle(site)


@pytest.fixture
def stranger(house: House) -> TestClient:
    return house.client()


def routes(house: House) -> Iterator[tuple[str, str]]:
    for path, methods in create_app(house.site).openapi()["paths"].items():
        for method in methods:
            yield method.upper(), path.replace("{", "").replace("}", "")


def test_who_has_not_logged_in_gets_nothing(house: House, stranger: TestClient) -> None:
    tried = 0
    for method, path in routes(house):
        if (method, path) != ("POST", f"{API}/session"):
            answer = stranger.request(method, path)
            assert answer.status_code == 401, (method, path)
            assert answer.json() == {"detail": "log in first"}
            tried += 1
    assert tried > 20
    for path in (f"{API}/openapi.json", f"{API}/nothing", f"{API}/../identities", f"{API}//x"):
        assert stranger.get(path, follow_redirects=False).status_code in (401, 303), path


@pytest.mark.parametrize("path", ["/", "/identities/1?a=b&c", "/live", "/no", "/%2e%2e/static"])
def test_pages_lead_to_the_login(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path, follow_redirects=False)
    assert answer.status_code == 303
    place = httpx.URL(answer.headers["location"])
    assert place.path == "/login"
    assert place.host == ""
    page = stranger.get("/login")
    assert page.status_code == 200
    assert "small" not in page.text  # the name of the site
    assert stranger.get("/static/login.js").status_code == 200
    assert stranger.get("/static/../api/v1/identities", follow_redirects=False).status_code != 200


def test_the_cookie_is_kept_from_scripts_and_other_sites(house: House) -> None:
    body = {"name": " Viewer ", "password": PASSWORD}
    plain = house.client().post(f"{API}/session", json=body).headers["set-cookie"].lower()
    assert plain.startswith("camtrail=")
    assert {"httponly", "samesite=strict", "path=/"} <= set(plain.split("; "))
    safe = house.client("https://localhost").post(f"{API}/session", json=body)
    secure = safe.headers["set-cookie"]
    assert secure.startswith("__Host-camtrail=")
    assert {"httponly", "samesite=strict", "path=/", "secure"} <= set(secure.lower().split("; "))
    assert "domain" not in secure.lower()
    assert PASSWORD not in safe.text


def test_login_and_logout(house: House) -> None:
    client = house.log_in("operator")
    who = client.get(f"{API}/session").json()
    assert (who["name"], who["role"], who["login"]) == ("operator", "operator", True)
    assert client.get("/identities").status_code == 200
    cookie = client.cookies["camtrail"]
    gone = client.delete(f"{API}/session")
    assert gone.status_code == 204
    assert gone.headers["clear-site-data"] == '"cache"'
    assert client.get(f"{API}/session").status_code == 401
    again = house.client()
    again.cookies["camtrail"] = cookie  # somebody kept it
    assert again.get(f"{API}/session").status_code == 401


@pytest.mark.parametrize("cookie", ["x", "x" * 43, "..%2F", "a=b", "' OR 1=1", '"'])
def test_a_forged_session_is_none(stranger: TestClient, cookie: str) -> None:
    headers = {"Cookie": f"camtrail={cookie}"}
    assert stranger.get(f"{API}/identities", headers=headers).status_code == 401


def test_a_cookie_of_http_is_none_under_https(house: House) -> None:
    cookie = house.log_in("viewer").cookies["camtrail"]
    client = house.client("https://localhost")
    answer = client.get(f"{API}/identities", headers={"Cookie": f"camtrail={cookie}"})
    assert answer.status_code == 401


def test_an_expired_session_is_none(house: House) -> None:
    client = house.log_in("viewer")
    with sqlite3.connect(house.site.data_dir / "access.sqlite") as database:
        database.execute("UPDATE sessions SET used = used - 50000")
    assert client.get(f"{API}/identities").status_code == 401
    assert client.get("/live", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("body", [
    {"name": "viewer", "password": "wrong wrong wrong"},
    {"name": "nobody", "password": PASSWORD},
])  # fmt: skip
def test_a_refused_login_says_no_more(stranger: TestClient, body: dict[str, str]) -> None:
    answer = stranger.post(f"{API}/session", json=body)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "name or password is wrong"}
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [
    {"name": "viewer"}, {"password": "Hunter22hunter"}, {"name": 5, "password": "Hunter22hunter"},
    {"name": "viewer", "password": ["Hunter22hunter"]}, {"name": "v" * 300, "password": "Hunter22"},
    ["Hunter22hunter"], "Hunter22hunter",
])  # fmt: skip
def test_what_is_no_login_is_not_repeated(stranger: TestClient, body: Any) -> None:
    answer = stranger.post(f"{API}/session", json=body)
    assert answer.status_code == 422
    assert "Hunter22" not in answer.text


def test_too_many_logins_are_refused(house: House) -> None:
    client, body = house.client(), {"name": "somebody", "password": "wrong wrong wrong"}
    answers = [client.post(f"{API}/session", json=body) for _ in range(7)]
    assert [a.status_code for a in answers[:5]] == [401] * 5
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "too many tries" in answers[-1].json()["detail"]


def test_too_many_searches_are_refused(house: House) -> None:
    client = house.log_in("viewer")
    query = f"{API}/sequence?first=gate&then=lobby"
    codes = [client.get(query).status_code for _ in range(61)]
    assert codes == [200] * 60 + [429]
    assert client.post(f"{API}/search/picture", content=b"x").status_code == 429
    assert client.get(f"{API}/identities").status_code == 200


def test_a_change_needs_the_token_of_its_own_session(house: House) -> None:
    client, other = house.log_in("operator"), house.log_in("operator")
    path, body = f"{API}/identities/1/name", {"name": "Ada"}
    own = client.headers.pop("X-CSRF-Token")
    for headers, says in (
        ({}, "X-CSRF-Token"),
        ({"X-CSRF-Token": "x"}, "X-CSRF-Token"),
        ({"X-CSRF-Token": b"\xe4"}, "X-CSRF-Token"),
        ({"X-CSRF-Token": other.headers["X-CSRF-Token"]}, "X-CSRF-Token"),
        ({"X-CSRF-Token": own, "Origin": "https://evil.example"}, "another site"),
        ({"X-CSRF-Token": own, "Sec-Fetch-Site": "cross-site"}, "another site"),
    ):
        answer = client.put(path, json=body, headers=headers)
        assert answer.status_code == 403, headers
        assert says in answer.json()["detail"]
    right = client.put(path, json=body, headers={"X-CSRF-Token": own, "Origin": "http://localhost"})
    assert right.status_code == 503  # only that no matcher runs
    assert client.delete(f"{API}/session").status_code == 403  # nor is anybody logged out


def test_a_program_needs_no_such_token(house: House, stranger: TestClient) -> None:
    for name, status in (("operator", 503), ("viewer", 403)):
        headers = {"Authorization": f"Bearer {house.tokens[name]}"}
        assert stranger.get(f"{API}/identities", headers=headers).status_code == 200
        answer = stranger.put(f"{API}/identities/1/name", json={"name": "Ada"}, headers=headers)
        assert answer.status_code == status
    for wrong in ("", "x", house.tokens["viewer"] + "x", house.tokens["viewer"].upper()):
        headers = {"Authorization": f"Bearer {wrong}"}
        answer = stranger.get(f"{API}/identities", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_wrong_token_is_not_made_good_by_a_cookie(house: House) -> None:
    client = house.log_in("viewer")
    headers = {"Authorization": "Bearer camtrail_wrong"}
    assert client.get(f"{API}/identities", headers=headers).status_code == 401


@pytest.mark.parametrize("role", list(Role))
def test_what_each_role_may(house: House, role: Role) -> None:
    client = house.log_in(role)
    refused = []
    for method, path in routes(house):
        if path.startswith((f"{API}/events", f"{API}/live", f"{API}/session")):
            continue  # the first two do not end
        least = _least(method, path)
        answer = client.request(method, path)
        if not role.may(least):
            assert answer.status_code == 403, (method, path)
            assert f"you are {role}" in answer.json()["detail"]
            refused.append(path)
        else:
            assert answer.status_code != 403, (method, path)
    assert (len(refused) > 0) is (role is not Role.ADMINISTRATOR)


def _least(method: str, path: str) -> Role:
    if path.endswith("/audit") or (method, path) == ("DELETE", f"{API}/identities/identity"):
        return Role.ADMINISTRATOR
    if method == "GET" or path.endswith("/search/picture"):
        return Role.VIEWER
    return Role.OPERATOR


@pytest.mark.parametrize("up", ["../", "..%2F", "..%5C", "%2e%2e/", "%00", "1/../../"])
def test_nothing_leads_out_through_any_parameter(house: House, up: str) -> None:
    client = house.log_in("administrator")
    way = f"{up * 6}etc/passwd"
    for method, path in routes(house):
        for part in ("identity", "tracklet", "seq", "correction", "camera"):
            if f"/{part}" in path:
                answer = client.request(method, path.replace(f"/{part}", f"/{way}", 1))
                assert answer.status_code in (404, 405, 422), (method, path)
                assert b"root:" not in answer.content
    for query in ("author", "after", "identity"):
        answer = client.get(f"{API}/audit", params={query: way})
        assert b"root:" not in answer.content
        assert answer.status_code in (200, 422)


def test_corrections_are_by_who_has_logged_in(house: House) -> None:
    from pipeline.author import logged_in
    from pipeline.viewer.access.asker import Asker, asking

    outside = logged_in()
    with asking(Asker("grace", Role.OPERATOR)):
        assert logged_in() == "grace"
    assert logged_in() == outside


def test_the_audit_says_who_looked_at_whom(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    house = settle(site)
    viewer, operator = house.log_in("viewer"), house.log_in("operator")
    for _ in range(3):
        viewer.get(f"{API}/identities/2")
        viewer.get(f"{API}/identities/2/visits")
    crops = [v["crop"] for v in viewer.get(f"{API}/identities/1/visits").json()["visits"]]
    for crop in crops * 4:
        operator.get(crop)
    found = operator.get(f"{API}/sequence?first=lobby&then=gate").json()["found"]
    assert operator.get(f"{API}/identities/999").status_code == 404  # nobody was seen by that
    lines = [
        (line["author"], line["action"], line["times"], line["identities"])
        for line in house.audit()
    ]
    people = sorted(sequel["identity"]["identity"] for sequel in found)
    assert lines == [
        ("operator", "searched by cameras", 1, people),
        ("operator", "saw pictures", 12, []),
        ("viewer", "looked at", 1, [1]),
        ("viewer", "looked at", 6, [2]),
        ("operator", "logged in", 1, []),
        ("viewer", "logged in", 1, []),
    ]
    assert people == [1, 2]
    assert [line["author"] for line in house.audit(identity=2)] == ["operator", "viewer"]
    assert {line["action"] for line in house.audit(author="viewer")} == {"looked at", "logged in"}
    assert house.audit(identity=3) == []


def test_the_audit_has_the_corrections_of_the_store_too_and_comes_in_pages(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    house = settle(site)
    with sqlite3.connect(site.data_dir / "camtrail.sqlite") as store:
        rows = [
            (time, "Ada", action, json.dumps(detail))
            for time, action, detail in (
                (10.0, "merge", {"into": 1, "merged": 4}),
                (2e10, "confirm", {"identity": 2, "tracklets": 3}),
                (3e10, "rename", {"identity": 3}),
            )
        ]
        store.executemany("INSERT INTO audit (time, author, action, detail) VALUES (?,?,?,?)", rows)
    viewer = house.log_in("viewer")
    for identity in (1, 2, 3):
        viewer.get(f"{API}/identities/{identity}")
    whole = [line["id"] for line in house.audit()]
    assert whole == ["change-3", "change-2", "look-4", "look-3", "look-2", "look-1", "change-1"]
    headers = {"Authorization": f"Bearer {house.tokens['administrator']}"}
    paged: list[str] = []
    after: str | None = ""
    client = house.client()
    while after is not None:
        values = {"limit": 2} | ({"after": after} if after else {})
        page = client.get(f"{API}/audit", params=values, headers=headers).json()
        paged += [line["id"] for line in page["lines"]]
        after = page["next"]
    assert paged == whole
    assert [line["id"] for line in house.audit(identity=4)] == ["change-1"]
    assert [line["id"] for line in house.audit(identity=3)] == ["change-3", "look-4"]
    for wrong in ("x", "1", "1.2.3", "-1.2", "1.٣", f"{10**30}.1"):
        answer = client.get(f"{API}/audit", params={"after": wrong}, headers=headers)
        assert answer.status_code == 422


def test_old_lines_are_let_go(tmp_path: Path) -> None:
    from tests.pipeline.viewer.access.conftest import Clock

    clock = Clock()
    access = Access(tmp_path, audit_days=30, clock=clock)
    from pipeline.viewer.access.log import Look

    access.log.look("ada", Look.PERSON, [7])
    clock.now += 10 * 86_400
    access.log.look("ada", Look.PERSON, [7])
    clock.now += 21 * 86_400
    access.tidy()
    left = list(access.log.lines(None, 7, None))
    assert [(line.id, line.times) for line in left] == [(2, 1)]
    clock.now += 10 * 86_400
    access.tidy()
    assert list(access.log.lines(None, None, None)) == []


@pytest.mark.parametrize(
    ("settings", "scheme", "host", "status"),
    [
        ({}, "http", "camera.example", 403),
        ({"names": ("camera.example",)}, "http", "camera.example:8600", 401),
        ({"names": ("camera.example",)}, "http", "CAMERA.example", 401),
        ({"host": "0.0.0.0"}, "https", "10.0.0.5:8600", 401),
        ({"host": "0.0.0.0"}, "https", "[2001:db8::1]:8600", 401),
        ({"host": "0.0.0.0"}, "https", "camera.example", 403),
        ({"host": "0.0.0.0"}, "http", "10.0.0.5:8600", 403),
        ({"behind_proxy": ("127.0.0.1",)}, "http", "localhost", 403),
        ({"behind_proxy": ("127.0.0.1",)}, "https", "localhost", 401),
    ],
)  # fmt: skip
def test_under_which_names_it_answers(
    house: House, settings: dict[str, Any], scheme: str, host: str, status: int
) -> None:
    viewer = Viewer.model_validate(settings)
    elsewhere = House(house.site.model_copy(update={"viewer": viewer}), house.tokens)
    client = elsewhere.client(f"{scheme}://localhost")
    assert client.get(f"{API}/identities", headers={"host": host}).status_code == status


def test_without_users_only_loopback_is_open(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    for settings, status in (
        ({}, 200),
        ({"host": "0.0.0.0"}, 401),
        ({"behind_proxy": ["::1"]}, 401),
    ):
        viewer = Viewer.model_validate(settings)
        client = House(site.model_copy(update={"viewer": viewer}), {}).client("https://localhost")
        assert client.get(f"{API}/identities").status_code == status
        assert client.get("/static/style.css").status_code == 200


def test_an_unnamed_proxy_does_not_open_loopback_to_others(tmp_path: Path) -> None:
    client = House(stored_site.create(tmp_path), {}).client()
    for header in ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto"):
        answer = client.get(f"{API}/cameras", headers={header: "192.0.2.1"})
        assert answer.status_code == 403
        assert "behind_proxy" in answer.json()["detail"]


def test_nothing_secret_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = house.log_in("viewer")
    client.get(f"{API}/session")
    client.post(f"{API}/session", json={"name": "viewer", "password": "Hunter22hunter"})
    known = client.cookies["camtrail"], client.headers["X-CSRF-Token"]
    for secret in (PASSWORD, "Hunter22hunter", *known):
        assert secret not in caplog.text
        assert secret not in str(house.audit())
