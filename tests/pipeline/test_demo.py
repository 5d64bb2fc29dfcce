"""`camtrail demo`: its page, its independent count, and all of it as a user runs it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.bus import EmbeddedServer, Publisher
from pipeline.config import DEMO_DETECTOR, DEMO_ENCODER, Site
from pipeline.demo.page import write_page
from pipeline.demo.run import Delivery, count_frames, run_demo
from pipeline.demo.tap import Tap
from pipeline.errors import CamtrailError
from pipeline.evaluate.command import evaluate_site
from pipeline.records import CameraState, Progress, TrackletUpdate
from pipeline.records import Path as TrackPath
from pipeline.simulate import SiteOptions
from tests.pipeline import stored_site

SOUND = Delivery(
    frames_in_files=240,
    frames_decoded=240,
    updates_published=6,
    updates_committed=6,
    lost=0,
    duplicated=0,
    unobserved=0,
    cameras_ended=2,
)


class Page(HTMLParser):
    """The tags, attributes and text of a page; a tag left open is an error."""

    VOID = frozenset({"meta", "img", "br", "link", "!doctype"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def make_page(site: Site, folder: Path) -> tuple[Page, str]:
    evaluation = evaluate_site(site, folder)
    figures = {**evaluation.summary(), **asdict(SOUND), "seed": 3, "cameras": 2}
    write_page(folder / "report.html", site, folder, evaluation, figures)
    text = (folder / "report.html").read_text()
    return Page(text), text


def test_the_page_shows_every_identity_beside_the_truth(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    page, text = make_page(site, tmp_path)
    for identity in (1, 2, 3):
        assert f"Identity {identity} person {identity}" in page.text
        assert f"truth: person {identity}" in page.text
    assert "holds two people" not in page.text
    assert "1.000 IDF1" in page.text
    # Two cameras found and two true for each of three identities, and a picture for each camera.
    assert len(page.all("svg")) == 3 * 4 + 2
    # A bar for each of the six stays, found and true, and a box for each person in the pictures.
    bars = [rect for rect in page.all("rect") if "stroke" not in rect]
    assert len(bars) == 12
    assert len(page.all("rect")) > 12
    assert all(0 <= float(b["x"] or -1) <= 1000 for b in bars)
    widths = sorted(float(b["width"] or 0) for b in bars)
    assert widths[-1] == pytest.approx(1000 * 4.9 / 11.9, abs=1)
    titles = re.findall(r"<title>(person 1 in gate: [^<]*)</title>", text)
    assert titles == ["person 1 in gate: 0.0 to 3.9 s", "person 1 in gate: 10.0 to 11.9 s"]


def test_the_page_loads_nothing_and_its_pictures_are_pictures(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path)
    page, text = make_page(site, tmp_path)
    pictures = [i["src"] for i in page.all("img")] + [i["href"] for i in page.all("image")]
    assert len(pictures) == 6 + 2
    for uri in pictures:
        assert uri is not None
        kind, data = uri.split(",")
        assert kind == "data:image/jpeg;base64"
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert min(image.shape[:2]) > 10
    assert "http:" not in text
    assert "https:" not in text
    assert not page.all("script")
    assert not page.all("link")


def test_the_page_shows_mistakes(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    # Person 2 is taken for person 1; the last tracklet, person 3's only one, stays undecided.
    stored_site.fill(site, tmp_path, called={2: 1, 3: None})
    page, _ = make_page(site, tmp_path)
    assert "Identity 1 person 1 holds two people" in page.text
    assert page.text.count("no identity is mostly this person") == 2
    colours = {r["fill"] for r in page.all("rect") if "stroke" not in r}
    assert len(colours) == 3


def test_the_page_of_a_site_where_nobody_was_seen(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    stored_site.fill(site, tmp_path, called={1: None, 2: None, 3: None})
    page, _ = make_page(site, tmp_path)
    assert page.text.count("no identity is mostly this person") == 3


def test_frames_are_counted_by_decoding(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    assert count_frames(Path(site.cameras["gate"].source)) == 120


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lost": 2}, "2 published updates are not in the store"),
        ({"duplicated": 1}, "1 updates are in the store twice"),
        ({"unobserved": 3}, "3 messages were not seen"),
        ({"frames_decoded": 239}, "239 of 240 frames were decoded"),
        ({"cameras_ended": 1}, "1 of 2 cameras came to the end"),
    ],
)
def test_every_fault_is_told(change: dict[str, int], words: str) -> None:
    assert SOUND.problems(cameras=2) == []
    (problem,) = replace(SOUND, **change).problems(cameras=2)
    assert words in problem


def update(run: str, track: int, seq: int) -> TrackletUpdate:
    return TrackletUpdate(
        camera="gate",
        run=run,
        track=track,
        seq=seq,
        start=0.0,
        end=float(seq),
        path=TrackPath.of([(float(seq), seq, (0, 0, 10, 20))]),
        crops=0,
        quality=0.0,
        embedding=None,
        fingerprint="f",
        thumbnail=None,
        thumbnail_quality=0.0,
        ended=False,
    )


def test_the_tap_counts_what_is_published_also_over_a_restart_of_redis(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    tap = Tap(site)
    tap.start()  # before there is a server
    server = EmbeddedServer(site)
    server.start()
    try:
        with Publisher(site, "gate") as publisher:
            for seq in range(1, 6):
                progress = Progress("gate", publisher.run, float(seq), CameraState.RUNNING, False)
                publisher.put([update(publisher.run, track, seq) for track in (1, 2)] + [progress])
            assert publisher.wait_sent(20)
            wait_for(lambda: tap.updates == 10)
            server.stop()
            server.start()
            # The server restarts, and all that is not committed is sent a second time.
            ended = Progress("gate", publisher.run, 6.0, CameraState.ENDED, False)
            publisher.put([update(publisher.run, 1, 6), ended])
            assert publisher.wait_sent(20)
        wait_for(lambda: "gate" in tap.ended)
        tap.stop()
        assert tap.updates == 11
        assert tap.unseen == 0
    finally:
        server.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    (tmp_path / "report.html").write_text("mine")
    (tmp_path / "site.json").write_text("{}")
    with pytest.raises(CamtrailError, match="not empty"):
        run_demo(tmp_path, SiteOptions(seed=1), as_json=True)
    assert (tmp_path / "report.html").read_text() == "mine"


@pytest.mark.skipif(
    not (DEMO_DETECTOR.exists() and DEMO_ENCODER.exists()), reason="the demo weights are missing"
)
def test_the_whole_demo_as_a_user_runs_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli", "demo", "--out", str(tmp_path / "demo")]
    options = ["--seed", "11", "--cameras", "2", "--people", "4", "--seconds", "10", "--json"]
    result = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=280, env={**os.environ}
    )
    assert result.returncode == 0, result.stderr[-2000:]
    data = json.loads(result.stdout)
    names = (
        "idf1 hota false_merges fragmentation identities people frames_decoded updates_published "
        "updates_committed lost duplicated seconds idp idr seed cameras frames_in_files stages"
    )
    assert set(names.split()) <= data.keys()
    assert data["frames_decoded"] == data["frames_in_files"] == 200
    assert data["updates_published"] == data["updates_committed"] > 0
    assert data["lost"] == data["duplicated"] == 0
    assert data["idf1"] > 0.5
    assert json.loads((tmp_path / "demo" / "demo.json").read_text()) == data
    assert "Identity 1" in Page((tmp_path / "demo" / "report.html").read_text()).text
    shown = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "identities", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path / "demo",
    )
    assert len(json.loads(shown.stdout)["identities"]) == data["identities"]
