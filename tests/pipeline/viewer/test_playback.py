"""The player in a real browser: one clock, several cameras, boxes, and what cannot be played."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import load_site
from pipeline.store import Said, Store
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
from tests.pipeline.viewer.test_map import settings

START = 1_767_600_000.0  # 2026-01-05T08:00:00Z
SLIDER = "document.getElementById('player-time')"
NOW = "document.querySelector('#player-screens video').currentTime"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Identity 1 is in both cameras at once, from picture 11 to 40; 3 has one visit."""
    folder = tmp_path_factory.mktemp("site")
    stored_site.fill(stored_site.create(folder), folder, called={2: 1})
    settings(folder, recording={"enabled": True})
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    yield from serve(folder / "site.yaml")


def play(page, index: int = 0) -> None:  # noqa: F811
    page.wait_for_selector(".visit")
    page.locator(".visit .play").nth(index).click()


def seek(page, moment: float | str) -> None:  # noqa: F811
    page.evaluate(f"{SLIDER}.value = {moment}; {SLIDER}.dispatchEvent(new Event('input'))")


def test_a_visit_plays_with_the_persons_box(page) -> None:  # noqa: F811
    page.goto("/identities/3")
    play(page)
    until(page, "document.querySelector('#player-screens video')?.readyState >= 3")
    first = page.evaluate(NOW)
    until(page, f"{NOW} > {first} + 0.5")
    until(page, "document.querySelector('#player-screens rect') !== null")
    video = "document.querySelector('#player-screens video')"
    assert page.evaluate(f"[{video}.videoWidth, {video}.videoHeight]") == [200, 120]
    page.click("#player-play")
    until(page, f"{video}.paused")
    # Person 3 stands at x = 140 and goes down a tenth of a pixel a picture: see `stored_site`.
    box = "document.querySelector('#player-screens rect')"
    assert float(page.evaluate(f"{box}.getAttribute('x')")) == pytest.approx(140, abs=0.5)
    page.uncheck("#player-boxes")
    until(page, f"{box} === null")


def test_somebody_is_searched_for_in_a_recorded_picture(page) -> None:  # noqa: F811
    page.goto("/identities/3")
    play(page)
    until(page, "document.querySelector('#player-screens video')?.readyState >= 3")
    page.click("#player-find")
    page.wait_for_url("**/search")
    until(page, "document.getElementById('said').textContent.includes('no person')")
    until(page, "document.querySelector('#shown img')?.naturalWidth === 200")


def test_the_slider_goes_to_a_moment_and_the_box_with_it(page) -> None:  # noqa: F811
    page.goto("/identities/3")
    play(page)
    until(page, "document.querySelector('#player-screens rect') !== null")
    page.click("#player-play")
    moment = START + 7.0
    seek(page, moment)
    begin = "Number(document.querySelector('#player-time').value)"
    until(page, f"Math.abs({begin} - {moment}) < 0.15")
    height = "Number(document.querySelector('#player-screens rect')?.getAttribute('y'))"
    until(page, f"Math.abs({height} - (10 + 7.1)) < 0.3")  # picture 71


def test_cameras_that_see_the_person_at_once_play_together(page) -> None:  # noqa: F811
    page.goto("/identities/1")
    play(page)
    until(page, "document.querySelector('#player-screens video')?.readyState >= 3")
    page.click("#player-play")  # pauses
    seek(page, START + 2.5)
    until(page, "document.querySelectorAll('#player-screens video').length === 2")
    ready = "[...document.querySelectorAll('#player-screens video')].every(v => v.readyState >= 2)"
    until(page, ready)
    assert page.locator("#player-screens figcaption").all_inner_texts() == ["gate", "lobby"]
    # Both files begin at the same moment, and both clips at their first picture.
    times = "[...document.querySelectorAll('#player-screens video')].map(v => v.currentTime)"
    until(page, f"(([a, b]) => Math.abs(a - b) < 0.3)({times})")
    seek(page, START + 5.5)  # in the second camera the person is at 1.0 to 4.9 and 6.0 to 8.9 s
    until(page, "document.querySelectorAll('#player-screens video').length === 1")


def test_from_visit_to_visit(page) -> None:  # noqa: F811
    page.goto("/identities/1")
    play(page)
    until(page, "document.querySelector('#player-screens video')?.readyState >= 3")
    first = page.get_attribute("#player-screens figure", "data-tracklet")
    assert page.locator("#player-before").is_disabled()
    page.click("#player-after")
    shown = "document.querySelector('#player-screens figure')?.dataset.tracklet"
    until(page, f"{shown} && {shown} !== '{first}'")
    page.click("#player-before")
    until(page, f"{shown} === '{first}'")
    seek(page, f"{SLIDER}.max - 0.2")
    until(page, f"{shown} && {shown} !== '{first}'")  # it goes on by itself
    page.click("#player-close")
    assert page.locator("#player").is_hidden()
    assert page.locator("#player-screens video").count() == 0


def test_the_player_fits_a_telephone(narrow) -> None:  # noqa: F811
    narrow.goto("/identities/1")
    play(narrow)
    until(narrow, "document.querySelector('#player-screens video')?.readyState >= 3")
    assert narrow.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_keeps_anybody_out_of_the_player(page, scheme: str) -> None:  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)
    page.goto("/identities/1")
    play(page)
    until(page, "document.querySelector('#player-screens video')?.readyState >= 3")
    assert page.locator("#map .leg").count() > 0
    found = axe.Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []


def test_what_is_gone_is_said(page, folder: Path) -> None:  # noqa: F811
    page.goto("/identities/3")
    page.wait_for_selector(".visit")
    site = load_site(folder / "site.yaml")
    with Store.open(site.store_url, crops=site.crops_dir) as store:
        store.forget(3, Said("ada", 0, 0))
    page.locator(".visit .play").first.click()
    until(page, "document.getElementById('player-said').textContent.includes('there is no visit')")


def test_without_recording_there_is_no_button(browser, tmp_path: Path) -> None:  # noqa: F811
    stored_site.fill(stored_site.create(tmp_path), tmp_path)
    for address in serve(tmp_path / "site.yaml"):
        for opened_page in opened(browser, address, 1280):
            opened_page.goto("/identities/1")
            opened_page.wait_for_selector(".visit")
            assert opened_page.locator(".play").count() == 0
