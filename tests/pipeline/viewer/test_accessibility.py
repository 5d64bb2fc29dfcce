"""What axe-core finds on each page, at both widths, in dark and in light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.viewer.access.gate import LOGIN_PAGE
from tests.pipeline import stored_site
from tests.pipeline.viewer import test_browser
from tests.pipeline.viewer.test_browser import opened, serve, until

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = test_browser.pytestmark
browser, site, address = test_browser.browser, test_browser.site, test_browser.address

BAD = ("serious", "critical")
PAGES = (*test_browser.PAGES, "/review", "/corrections", "/audit")
WIDTHS = (1280, 390)
READY = "[...document.querySelectorAll('[aria-busy=true]')].every(e => !e.checkVisibility())"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", dict.fromkeys(PAGES))
def test_nothing_keeps_anybody_out(browser, address: str, path: str, width: int) -> None:
    for page in opened(browser, address, width):
        page.goto(path)
        until(page, READY)
        examine(page)


def test_nothing_keeps_anybody_from_logging_in(browser, tmp_path: Path) -> None:
    stored_site.create(tmp_path)
    path = tmp_path / "site.yaml"
    command = [sys.executable, "-m", "pipeline.cli", "users", "add", "ada", str(path)]
    command += ["--role", "administrator"]
    subprocess.run(command, input="a long password of ada\n", text=True, check=True)
    for address in serve(path):
        for width in WIDTHS:
            for page in opened(browser, address, width):
                page.goto(LOGIN_PAGE)
                page.wait_for_selector("[name=password]")
                examine(page)


def examine(page) -> None:
    """In both colour schemes."""
    assert page.locator("main").count() == 1  # or an empty page would pass
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found = axe.Axe().run(page).response["violations"]
        assert [
            (scheme, rule["id"], [node["html"][:200] for node in rule["nodes"][:3]])
            for rule in found
            if rule["impact"] in BAD
        ] == []
