"""Login, roles and the audit in a real browser, on the real program."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from pipeline.config import Site
from pipeline.viewer.access.access import Access
from pipeline.viewer.access.roles import Role
from tests.pipeline import stored_site
from tests.pipeline.viewer.access.conftest import PASSWORD
from tests.pipeline.viewer.certificate import write_certificate
from tests.pipeline.viewer.test_browser import browser, opened, pytestmark, serve, until

__all__ = ["browser", "pytestmark"]  # pytest finds them by their names

API = "/api/v1"


@dataclass(frozen=True)
class House:
    site: Site
    address: str
    access: Access


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, quick_hashes: None) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("site")
    site = stored_site.create(folder)
    stored_site.fill(site, folder)
    access = Access(site.data_dir, 1)
    for role in reversed(Role):
        access.users.add(role.value, PASSWORD, role)
    for address in serve(folder / "site.yaml"):
        yield House(site, address, access)


@pytest.fixture(params=[1280, 390])
def page(browser, house: House, request: pytest.FixtureRequest) -> Iterator[object]:
    yield from opened(browser, house.address, request.param)


def log_in(page, name: str, password: str = PASSWORD) -> None:
    page.fill("[name=name]", name)
    page.fill("[name=password]", password)
    page.click("#login button")


def is_no_wider_than_the_window(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_login_leads_to_the_page_that_was_asked_for(page) -> None:
    page.goto("/identities/1?x=1")
    page.wait_for_selector("#login")
    assert "next=" in page.url
    assert is_no_wider_than_the_window(page)
    assert "small" not in page.content()  # the name of the site
    log_in(page, "viewer", "wrong wrong wrong")
    until(page, "document.getElementById('wrong').textContent === 'name or password is wrong'")
    assert page.input_value("[name=password]") == ""
    log_in(page, "viewer")
    page.wait_for_selector(".visit")
    assert page.url.endswith("/identities/1?x=1")
    assert page.text_content(".user") == "viewer"
    assert is_no_wider_than_the_window(page)
    page.click("#logout")
    page.wait_for_selector("#login")
    page.go_back()
    page.wait_for_selector("#login")


@pytest.mark.parametrize("role", list(Role))
def test_what_a_role_may_not_do_is_not_shown(page, role: Role) -> None:
    page.goto("/identities/1")
    page.wait_for_selector("#login")
    log_in(page, role)
    page.wait_for_selector(".visit")
    shown = {
        "confirm": page.get_by_role("button", name="Confirm", exact=True).is_visible(),
        "choose": page.locator(".choice").first.is_visible(),
        "forget": page.get_by_role("button", name="Forget", exact=True).is_visible(),
        "audit": page.get_by_role("link", name="Audit").is_visible(),
    }
    corrects, rules = role.may(Role.OPERATOR), role is Role.ADMINISTRATOR
    assert shown == {"confirm": corrects, "choose": corrects, "forget": rules, "audit": rules}
    if not rules:
        page.goto("/audit")
        until(page, "document.getElementById('empty').textContent.includes('administrator')")


def test_nobody_is_led_to_another_site(page, house: House) -> None:
    for there in (
        "//evil.example/x",
        "https://evil.example",
        "javascript:alert(1)",
        "/.//evil.example",
    ):
        page.goto(f"/login?next={there}")
        page.wait_for_selector("#login")
        log_in(page, "viewer")
        page.wait_for_url(lambda url: "/login" not in url)
        assert page.url.startswith(house.address + "/")
        page.context.clear_cookies()


def test_who_is_logged_out_meanwhile_is_led_to_the_login(page, house: House) -> None:
    page.goto("/live")
    page.wait_for_selector("#login")
    log_in(page, "operator")
    page.wait_for_selector(".screen")
    house.access.users.set_password("operator", PASSWORD)
    page.wait_for_selector("#login", timeout=60_000)
    assert "next=%2Flive" in page.url


def test_the_audit_shows_who_looked_at_whom(page) -> None:
    page.goto("/identities/3")
    page.wait_for_selector("#login")
    log_in(page, "administrator")
    page.wait_for_selector(".visit")
    page.goto("/audit")
    page.fill("[name=author]", "administrator")
    page.fill("[name=identity]", "3")
    page.click("#filters button")
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    cells = page.locator("#rows td").all_inner_texts()
    assert cells[1] == "administrator"
    assert cells[2].startswith("looked at")
    assert cells[3] == "3"
    assert is_no_wider_than_the_window(page)
    page.reload()
    until(page, "document.querySelectorAll('#rows tr').length === 1")
    page.click("#rows a")
    page.wait_for_selector(".visit")


def test_over_tls_and_with_nothing_secret_in_what_it_says(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    write_certificate(tmp_path)
    path = tmp_path / "site.yaml"
    tls = {"certificate": "cert.pem", "key": "key.pem"}
    text = path.read_text()[:-1] + f', "viewer": {{"host": "0.0.0.0", "tls": {tls}}}}}'
    path.write_text(text.replace("'", '"'))
    access = Access(site.data_dir, 1)
    access.users.add("ada", PASSWORD, Role.ADMINISTRATOR)
    command = [sys.executable, "-m", "pipeline.cli", "viewer", str(path), "--port", "0"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **streams)
    assert process.stdout is not None
    port = int(process.stdout.readline().strip().rstrip("/").rsplit(":", 1)[1])
    trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    with httpx.Client(base_url=f"https://localhost:{port}", verify=trust) as client:
        answer = client.post(f"{API}/session", json={"name": "ada", "password": PASSWORD})
        assert answer.status_code == 200
        cookie = client.cookies["__Host-camtrail"]
        assert client.get(f"{API}/cameras").status_code == 200
        client.post(f"{API}/session", content=b'{"name": "ada", "password": "Hunter22')
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{port}{API}/cameras")
    process.terminate()
    said = "".join(process.communicate(timeout=60))
    assert process.returncode == 0
    secrets = (PASSWORD, cookie, answer.json()["csrf"], "Hunter22", "PRIVATE KEY")
    assert not any(secret in said for secret in secrets)
