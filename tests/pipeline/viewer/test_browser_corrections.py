"""Corrections in a real browser: from the click to the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.viewer.conftest import Running
from tests.pipeline.viewer.test_browser import browser, opened, pytestmark, serve, until

__all__ = ["browser", "pytestmark"]  # pytest finds them by their names


@pytest.fixture
def page(browser, running: Running) -> Iterator[object]:
    for address in serve(running.site.data_dir.parent / "site.yaml"):
        yield from opened(browser, address, 1280)


def press(page, name: str) -> None:
    page.get_by_role("group").get_by_role("button", name=name, exact=True).click()


def agree(page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def test_rename_split_merge_and_forget(page, running: Running) -> None:
    one = running.several()
    count = len(running.visits(one))
    page.goto(f"/identities/{one}")
    press(page, "Rename")
    page.fill("dialog [name=name]", "Grace")
    agree(page, "Rename")
    until(page, "document.querySelector('h1')?.textContent === 'Grace'")

    split = page.get_by_role("group").get_by_role("button", name="Split", exact=True)
    assert split.is_disabled()
    page.locator(".visit .choice").first.check()
    press(page, "Split")
    agree(page, "Split")
    page.wait_for_url(lambda url: not url.endswith(f"/{one}"))
    page.wait_for_selector(".visit")
    new = int(page.url.rsplit("/", 1)[1])
    assert len(running.visits(new)) == 1

    press(page, "Merge")
    page.fill("dialog [name=other]", "999")
    agree(page, "Merge")
    page.wait_for_selector("dialog .wrong:not(:empty)")
    assert "no identity 999" in page.text_content("dialog .wrong")
    page.fill("dialog [name=other]", str(one))
    agree(page, "Merge")
    page.wait_for_url(lambda url: url.endswith(f"/{one}"))
    page.wait_for_selector(".visit")
    running.await_(lambda: len(running.visits(one)) == count)

    press(page, "Confirm")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog')")
    press(page, "Confirm")
    agree(page, "Confirm")
    page.wait_for_selector(".badge.sure")

    press(page, "Forget")
    agree(page, "Forget")
    page.wait_for_selector(".card")
    running.await_(lambda: one not in running.people())
