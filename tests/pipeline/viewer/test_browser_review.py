"""Undo, marks, merging in the gallery and the review, from the click to the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.viewer.conftest import API, Running
from tests.pipeline.viewer.test_browser import browser, opened, pytestmark, serve
from tests.pipeline.viewer.test_browser_corrections import agree, press
from tests.pipeline.viewer.test_review import questions

__all__ = ["browser", "pytestmark"]  # pytest finds them by their names


@pytest.fixture(scope="module")
def address(running: Running) -> Iterator[str]:
    yield from serve(running.site.data_dir.parent / "site.yaml")


@pytest.fixture
def page(browser, address: str) -> Iterator[object]:
    yield from opened(browser, address, 1280)


@pytest.fixture
def narrow(browser, address: str) -> Iterator[object]:
    yield from opened(browser, address, 390)


def undo(page) -> None:
    page.locator(".toast").get_by_role("button", name="Undo").click()
    page.wait_for_selector(".toast:has-text('Undone')")


def split_off(running: Running) -> tuple[int, int]:
    """Somebody, and a part of the same person with another number."""
    one = running.several()
    body = {"tracklets": [running.visits(one)[0]["key"]]}
    new = running.client.post(f"{API}/identities/{one}/split", json=body).json()["identity"]
    running.await_(lambda: new in running.people())
    return one, new


def test_the_review_is_answered_with_one_key(page, running: Running) -> None:
    before = questions(running)
    assert len(before) > 2
    page.goto("/review")
    page.wait_for_selector(f"#left:text-is('{len(before)} left')")
    first = next(i for i, question in enumerate(before) if question["together"])
    for _ in range(first):
        page.keyboard.press("k")
        page.wait_for_selector(".toast:has-text('Skipped')")
    question = before[first]
    name = f"Are both Identity {question['identity']['identity']}?"
    page.wait_for_selector(f"#question:text-is('{name}')")
    page.keyboard.press("s")
    page.wait_for_selector(".toast:has-text('Kept together')")
    left = [q["tracklet"] for q in questions(running)]
    assert question["tracklet"] not in left
    undo(page)
    page.wait_for_selector(f"#question:text-is('{name}')")

    page.uncheck("#keys")
    page.keyboard.press("d")
    page.get_by_role("button", name="Different people").click()
    page.wait_for_selector(".toast:has-text('Split off')")
    running.await_(
        lambda: (
            question["tracklet"]
            not in [v["tracklet"] for v in running.visits(question["identity"]["identity"])]
        )
    )
    page.check("#keys")
    undo(page)
    running.await_(lambda: question["tracklet"] in [q["tracklet"] for q in questions(running)])


def test_what_was_done_is_undone_from_the_toast(page, running: Running) -> None:
    one = running.several()
    count = len(running.visits(one))
    page.goto(f"/identities/{one}")
    page.locator(".visit .choice").first.check()
    press(page, "Split")
    agree(page, "Split")
    page.wait_for_url(lambda url: not url.endswith(f"/{one}"))
    page.wait_for_selector(".toast:has-text('Split off')")
    undo(page)
    page.wait_for_url(lambda url: url.endswith(f"/{one}"))
    running.await_(lambda: len(running.visits(one)) == count)

    press(page, "Rename")
    page.fill("dialog [name=name]", "Grace")
    agree(page, "Rename")
    page.wait_for_selector("h1:has-text('Grace')")
    undo(page)
    page.wait_for_selector(f"h1:has-text('Identity {one}')")

    page.goto("/corrections")
    first = page.locator("#lines tr").first
    assert "took back" in first.text_content()
    assert page.locator("#lines tr button").count() == len(
        [c for c in running.client.get(f"{API}/corrections").json()["corrections"] if c["undoable"]]
    )


def test_staff_and_the_watched(page, running: Running) -> None:
    one = running.several()
    page.goto(f"/identities/{one}")
    press(page, "Mark as staff")
    page.wait_for_selector(".marks .badge:has-text('staff')")
    press(page, "Watch")
    page.fill("dialog [name=reason]", "lost a bag")
    agree(page, "Watch")
    page.wait_for_selector(".badge.watched:has-text('watched: lost a bag')")

    page.goto("/identities")
    page.wait_for_selector(f".card[href$='/{one}'] .badge.watched")
    page.select_option("[name=whom]", "others")
    page.wait_for_selector(f".card[href$='/{one}']", state="detached")
    assert page.locator(".card").count() == len(running.people()) - 1
    for whom in ("staff", "watched"):
        page.select_option("[name=whom]", whom)
        page.wait_for_selector("#count:text-is('1 person')")
        assert page.locator(f".card[href$='/{one}']").count() == 1
    page.goto("/live")
    page.wait_for_load_state()
    page.goto(f"/identities/{one}")
    press(page, "Not staff")
    page.wait_for_selector(".toast:has-text('Not staff any more')")
    press(page, "Stop watching")
    page.wait_for_selector(".toast:has-text('Not watched for')")
    page.wait_for_selector(".marks", state="detached")
    undo(page)
    page.wait_for_selector(".badge.watched:has-text('watched: lost a bag')")
    press(page, "Stop watching")
    page.wait_for_selector(".marks", state="detached")


def test_one_is_dragged_on_another(page, running: Running) -> None:
    one, new = split_off(running)
    page.goto("/identities?sort=identity%3Aasc")
    card = f".card[href$='/{new}']"
    page.wait_for_selector(card)
    page.drag_and_drop(card, f".card[href$='/{one}']")
    dialog = page.get_by_role("dialog")
    assert f"keeps the number {one}" in dialog.text_content()
    assert dialog.locator(".faces li").all_text_contents() == [f"Identity {one}", f"Identity {new}"]
    page.keyboard.press("Escape")
    assert new in running.people()
    page.drag_and_drop(card, f".card[href$='/{one}']")
    agree(page, "Merge")
    page.wait_for_selector(card, state="detached")
    running.await_(lambda: new not in running.people())
    undo(page)
    running.await_(lambda: new in running.people())
    page.wait_for_selector(card)
    running.client.post(f"{API}/identities/{one}/merge", json={"other": new})


def test_several_are_chosen_with_the_keyboard(narrow, running: Running) -> None:
    page = narrow
    one, new = split_off(running)
    page.goto("/identities?sort=identity%3Aasc")
    for identity in (new, one):
        page.get_by_label(f"Choose Identity {identity}, to merge", exact=True).focus()
        page.keyboard.press("Space")
    assert page.text_content("#chosen-count") == "2 people chosen"
    page.locator("#merge").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog :focus:text-is('Cancel')")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(f".card[href$='/{new}']", state="detached")
    running.await_(lambda: new not in running.people())
    assert page.locator("#chosen").is_hidden()
    assert f"and Identity {new}" in page.text_content(".toast")
