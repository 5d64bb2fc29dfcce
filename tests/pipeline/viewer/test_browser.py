"""The pages in a real browser, on the real program."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from pipeline.bus import EmbeddedServer
from pipeline.camera.preview import PreviewSender
from pipeline.config import Site, load_site
from pipeline.records import Assignment, Decision, Frame, Image, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.store import Batch, Outcome, Received, Store, Verdict
from tests.pipeline import stored_site
from tests.pipeline.viewer import filmed

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium (Debian package) on this machine"),
]

Page = "playwright.Page"
PAGES = (
    *("/identities", "/identities/1", "/search", "/live", "/identities/999"),
    *("/review", "/corrections"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return filmed.create(tmp_path_factory.mktemp("film"))


def serve(path: Path) -> Iterator[str]:
    """The address of a viewer that runs."""
    command = [sys.executable, "-m", "pipeline.cli", "viewer", str(path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip().rstrip("/")
    process.terminate()
    assert process.wait(20) == 0


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    yield from serve(site.data_dir.parent / "site.yaml")


@pytest.fixture
def page(browser, address: str) -> Iterator[Page]:
    """A page at 1280 pixels that must not report an error, nor ask another host."""
    yield from opened(browser, address, 1280)


@pytest.fixture
def narrow(browser, address: str) -> Iterator[Page]:
    """The same at 390 pixels."""
    yield from opened(browser, address, 390)


def opened(browser, address: str, width: int) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 844}, base_url=address)
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if "Security Policy" in m.text else None)
    ours = (address, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(ours) else faults.append(r.url))
    yield page
    context.close()
    assert faults == []


def until(page, condition: str, arg: object = None) -> None:
    """Waits. Playwright's own way needs `eval`, which our pages forbid."""
    end = time.monotonic() + 30
    while not page.evaluate(condition, arg):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


ABORTED_WHILE_IT_IS_READ = """async () => {
  const { get } = await import("/static/api.js");
  const stop = new AbortController();
  const first = new Promise((done) => {
    const asked = window.fetch;
    window.fetch = async (...all) => {
      const response = await asked(...all);
      setTimeout(done);
      return response;
    };
  });
  const reading = get("/events", {}, stop.signal); // its body has no end
  await first;
  stop.abort();
  return reading.then(() => "an answer", (error) => error.name);
}"""


def test_half_an_answer_is_none(page) -> None:
    page.goto("/identities")
    assert page.evaluate(ABORTED_WHILE_IT_IS_READ) == "AbortError"


def test_from_the_gallery_to_a_persons_trail(page) -> None:
    page.goto("/")
    page.wait_for_selector(".card")
    assert page.url.endswith("/identities")
    count = int(re.match(r"\d+", page.text_content("#count")).group())
    assert page.locator(".card").count() == count > 2
    page.select_option("[name=sort]", "identity:asc")
    until(page, "document.querySelector('.card b').textContent === 'Identity 1'")
    page.locator(".card").first.click()
    page.wait_for_selector(".visit")
    assert page.text_content("h1") == "Identity 1"
    visits = page.locator(".visit").count()
    assert page.locator(".timeline .bar").count() == visits
    assert page.locator(".visit .crops img").count() >= visits
    natural = "image => image.complete && image.naturalWidth"
    until(page, f"({natural})(document.querySelector('.crops img'))")


def test_the_filters_narrow_the_gallery_and_stay_in_the_address(page, site: Site) -> None:
    page.goto("/identities")
    page.wait_for_selector(".card")
    everybody = page.text_content("#count")
    camera = next(iter(site.cameras))
    page.select_option("[name=camera]", camera)
    until(page, "!document.getElementById('clear').hidden")
    assert f"camera={camera}" in page.url
    page.fill("[name=since]", "2031-01-01T00:00:00")
    page.dispatch_event("[name=since]", "change")
    page.wait_for_selector("#empty:not([hidden])")
    assert page.text_content("#empty") == "Nobody fits."
    page.click("#clear")
    page.wait_for_selector(".card")
    assert page.text_content("#count") == everybody


def test_the_keyboard_is_enough(page) -> None:
    page.goto("/identities")
    page.wait_for_selector(".card")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "card":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(".visit")
    page.locator(".timeline a").first.focus()
    page.keyboard.press("Enter")
    assert re.search(r"#visit-\d+$", page.url)


def test_an_unknown_person_is_said_to_be_unknown(page) -> None:
    page.goto("/identities/999")
    page.wait_for_selector("#empty:not([hidden])")
    assert page.text_content("#empty") == "there is no identity 999"


def picture_of_several(site: Site, folder: Path) -> Path:
    from pipeline.inference.detector import Detector

    detector = Detector(site.detector)
    for camera in site.cameras:
        for number, image in filmed.frames(site, camera):
            if number % 10 == 0 and len(detector.detect([image])[0]) > 1:
                path = folder / "several.png"
                cv2.imwrite(str(path), image)
                return path
    raise AssertionError("nowhere are two people seen at once")


def test_search_by_picture_asks_who_is_meant(page, site: Site, tmp_path: Path) -> None:
    picture = picture_of_several(site, tmp_path)
    page.goto("/search")
    page.set_input_files("#file", picture)
    page.wait_for_selector(".shown g")
    assert "Who is meant?" in page.text_content("#said")
    assert page.locator("#results").is_hidden()
    page.locator(".shown g").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#found .card")
    assert page.locator(".shown g").first.get_attribute("aria-pressed") == "true"
    best = float(page.locator("#found .similar").first.inner_text())
    assert 0 < best <= 1
    assert "threshold" in page.text_content("#results-count")


def test_search_by_picture_says_what_is_wrong(page, tmp_path: Path) -> None:
    page.goto("/search")
    (tmp_path / "text.jpg").write_text("no picture")
    page.set_input_files("#file", tmp_path / "text.jpg")
    until(page, "document.getElementById('said').textContent.includes('no picture')")
    cv2.imwrite(str(tmp_path / "empty.png"), np.full((120, 90, 3), 100, np.uint8))
    page.set_input_files("#file", tmp_path / "empty.png")
    until(page, "document.getElementById('said').textContent.includes('no person')")
    page.click("#whole")
    until(page, "document.getElementById('said').textContent.includes('alike enough')")


def test_search_by_the_order_of_cameras(browser, tmp_path: Path) -> None:
    stored_site.fill(stored_site.create(tmp_path), tmp_path)
    for address in serve(tmp_path / "site.yaml"):
        for page in opened(browser, address, 1280):
            page.goto("/search")
            for first, then, names in (
                ("lobby", "gate", ["Identity 1", "Identity 2"]),
                ("gate", "lobby", ["Identity 1"]),
                ("lobby", "lobby", []),
            ):
                page.select_option("[name=first]", first)
                page.select_option("[name=then]", then)
                page.click("#sequence button")
                title = "title => document.getElementById('results-title').textContent === title"
                until(page, title, f"{first} and then {then}")
                assert page.locator("#found .card b").all_inner_texts() == names


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_a_telephone(narrow, path: str) -> None:
    narrow.goto(path)
    until(narrow, "!document.querySelector('[aria-busy=true]')")
    assert narrow.evaluate("document.documentElement.scrollWidth") == 390
    unnamed = narrow.evaluate(
        "[...document.querySelectorAll('button, a, select, input:not([type=file])')].filter(e => "
        "e.checkVisibility() && !(e.ariaLabel || e.textContent.trim() || e.labels?.length ||"
        "e.querySelector('img:not([alt=\"\"])')))"
        ".map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_dark_and_light_can_be_chosen(page) -> None:
    page.goto("/identities")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.click("#theme")
    after = page.evaluate(ground)
    assert after != before
    page.reload()
    assert page.evaluate(ground) == after


def test_live_shows_boxes_with_names_and_survives_redis(page, site: Site, tmp_path: Path) -> None:
    image = cv2.imread(str(picture_of_several(site, tmp_path)))
    with sqlite3.connect(site.data_dir / "camtrail.sqlite") as store:
        query = "SELECT camera, track, identity FROM tracklets WHERE open"
        camera, track, identity = store.execute(query).fetchone()
    server = EmbeddedServer(site)
    server.start()
    stop = Event()
    with closing(PreviewSender(site, camera, filmed.RUN)) as sender:
        worker = Thread(target=offer, args=(sender, camera, track, image, stop))
        worker.start()
        try:
            page.goto("/live")
            name = f"[data-camera={camera}] .person[data-identity='{identity}'] text"
            page.wait_for_selector(name)
            assert page.text_content(name) == f"#{identity}"
            server.stop()
            until(page, "document.getElementById('said').textContent.includes('Redis is away')")
            server.start()
            until(page, "document.getElementById('said').textContent === ''")
            page.click(f"[data-camera={camera}] .picture")
            assert page.text_content("h1") == camera
            assert page.locator(".screen:visible").count() == 1
            page.keyboard.press("Escape")
            assert page.locator(".screen:visible").count() == len(site.cameras)
            assert page.locator("#find").is_hidden()
            page.click(f"[data-camera={camera}] .picture")
            page.click("#find")
            page.wait_for_selector(".shown g")
            assert page.url.endswith("/search")
            assert "Who is meant?" in page.text_content("#said")
            page.reload()
            assert page.locator("#shown").is_hidden()
        finally:
            stop.set()
            worker.join()
            server.stop()


def offer(sender: PreviewSender, camera: str, track: int, image: Image, stop: Event) -> None:
    number = 0
    while not stop.wait(0.1):
        number += 1
        box = np.array([100, 50, 180, 300], np.float32)
        sender.offer(Frame(camera, number, 1000.0 + number, image), {track: box})


def crowd(folder: Path, count: int) -> Path:
    """A site with so many identities."""
    (folder / "site.yaml").write_text("site: crowd\ncameras: {gate: {source: gate.mp4}}\n")
    site = load_site(folder / "site.yaml")
    updates = [
        TrackletUpdate(
            "gate", filmed.RUN, n, 1, 1e9 + n, 1e9 + n + 5, TrackPath.of([]), 0, 0.0, None, "f",
            None, 0.0, True,
        )
        for n in range(1, count + 1)
    ]  # fmt: skip
    verdicts = [
        Verdict(u.key, u.end, Assignment(u.key, u.track, Decision.NEW, 0, 0, u.end), None, {})
        for u in updates
    ]
    with Store.open(site.store_url) as store:
        outcome = Outcome(verdicts=verdicts, closed=[u.key for u in updates])
        store.commit(Batch([Received(u, u.end) for u in updates], [], outcome))
    return folder / "site.yaml"


def test_the_gallery_scrolls_to_its_end_and_keeps_little(browser, tmp_path: Path) -> None:
    for address in serve(crowd(tmp_path, 900)):
        for page in opened(browser, address, 1280):
            page.goto("/identities")
            page.wait_for_selector(".card")
            assert page.text_content("#count") == "900 people"
            most = 0
            last = "[...document.querySelectorAll('.card b')].at(-1)?.textContent"
            for _ in range(200):
                page.keyboard.press("End")
                page.wait_for_timeout(20)
                most = max(most, page.locator(".card").count())
                if page.evaluate(last) == "Identity 1":
                    break
            assert page.evaluate(last) == "Identity 1"
            assert most < 600
            first = "document.querySelector('.card b')?.textContent"
            for _ in range(200):  # what comes in above moves the page down again
                page.keyboard.press("Home")
                page.wait_for_timeout(20)
                if page.evaluate(first) == "Identity 900":
                    break
            assert page.evaluate(first) == "Identity 900"
