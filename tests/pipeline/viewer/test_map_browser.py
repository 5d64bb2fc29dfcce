"""The map in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline import stored_site
from tests.pipeline.viewer.test_browser import (  # noqa: F401
    browser,
    narrow,
    opened,
    page,
    pytestmark,
    serve,
    until,
)
from tests.pipeline.viewer.test_map import picture, settings


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    picture(folder / "plan.png")
    settings(folder, floor_plan="plan.png")
    yield from serve(folder / "site.yaml")


def test_a_persons_way_is_on_the_map_in_order(page) -> None:  # noqa: F811
    page.goto("/identities/1")  # gate, lobby, gate
    page.wait_for_selector("#map svg")
    assert page.locator("#map .camera text").all_text_contents() == ["gate", "lobby"]
    assert page.locator("#map .leg text").all_text_contents() == ["1", "2"]
    assert page.locator("#map .seen").count() == 2
    source = page.locator("#map image").get_attribute("href")
    size = f"fetch('{source}').then(r => r.blob()).then(createImageBitmap).then(b => b.width)"
    assert page.evaluate(size) == 300


def test_the_times_are_told_on_hover_and_on_focus(page) -> None:  # noqa: F811
    page.goto("/identities/1")
    page.wait_for_selector("#map svg")
    said = "document.getElementById('map-said').textContent"
    page.locator("#map .leg").first.focus()
    until(page, f"{said}.startsWith('gate to lobby: ') && {said}.includes('(2.1 s)')")
    page.locator("#map a:has(.camera)").first.hover()
    until(page, f"{said}.startsWith('gate: ') && {said}.includes('; ')")  # two visits
    page.locator("#map .leg").last.focus()
    page.keyboard.press("Enter")
    assert "#visit-" in page.url


def test_cameras_are_where_the_plan_has_them(page) -> None:  # noqa: F811
    page.goto("/identities/1")
    page.wait_for_selector("#map svg")
    numbers = page.evaluate(
        "[...document.querySelectorAll('#map .camera circle')].flatMap(c => [c.cx.baseVal.value, "
        "c.cy.baseVal.value])"
    )
    scale = page.evaluate("document.querySelector('#map svg').viewBox.baseVal.width") / 300
    assert [n / scale for n in numbers] == pytest.approx([40, 30, 260, 150], abs=1)


@pytest.mark.parametrize("path", ["/identities/1", "/live"])
def test_the_map_fits_a_telephone(narrow, path: str) -> None:  # noqa: F811
    narrow.goto(path)
    narrow.wait_for_selector("#map svg")
    assert narrow.evaluate("document.documentElement.scrollWidth") == 390


def test_who_is_in_view_is_on_the_map(page) -> None:  # noqa: F811
    page.goto("/live")
    page.wait_for_selector("#map svg")
    assert page.locator("#map .camera").count() == 2
    here = page.locator("#present li").count()
    assert page.locator("#map .somebody").count() == here


def test_without_positions_there_is_no_map(browser, tmp_path: Path) -> None:  # noqa: F811
    stored_site.fill(stored_site.create(tmp_path), tmp_path)
    for address in serve(tmp_path / "site.yaml"):
        for opened_page in opened(browser, address, 1280):
            for path in ("/identities/1", "/live"):
                opened_page.goto(path)
                opened_page.wait_for_load_state("networkidle") if path != "/live" else None
                opened_page.wait_for_selector("main h1")
                assert opened_page.locator("#map svg").count() == 0
