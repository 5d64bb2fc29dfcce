"""`camtrail bench`: its parts by hand, and (slow) all of it on one small camera."""

from __future__ import annotations

import io
import json
import math
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pipeline.bench.broadcast import Broadcast
from pipeline.bench.command import numbers, run, show
from pipeline.bench.decisions import Decisions
from pipeline.bench.frames import in_frames
from pipeline.bench.picture import draw
from pipeline.bench.step import BenchOptions, Step, live_site, wait_until
from pipeline.config import load_site
from pipeline.errors import CamtrailError
from pipeline.evaluate.truth import Boxes, Truth
from pipeline.records import TrackletKey
from pipeline.simulate import SiteOptions, simulate_site
from pipeline.store import Outcome, Store, TrackRow
from pipeline.store.rows import Batch
from tests.pipeline import stored_site
from tests.programs import camtrail

STEP = Step(
    cameras=1,
    asked_fps=10.0,
    fps=9.8,
    total_fps=9.8,
    delay=0.7,
    delay_p90=1.2,
    identity_after=1.5,
    decisions=12,
    idf1=0.91,
    people=3,
)


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_cameras_are_doubled(most: int, expected: list[int]) -> None:
    assert list(numbers(most)) == expected


def test_who_keeps_up() -> None:
    assert STEP.keeps_up
    assert not replace(STEP, fps=8.9).keeps_up


def row(track: int, began: float, fps: float, frames: range, x: float) -> TrackRow:
    """Somebody who walks right by 8 pixels a frame."""
    times = began + (np.array(frames) - 1) / fps
    boxes = [(x + 8 * f, 50, x + 8 * f + 40, 150) for f in frames]
    empty = np.zeros(len(frames), np.int32)  # a camera does not know the film's frames
    key = TrackletKey("gate", "R", track)
    return TrackRow(key, 1, began, times, empty, np.array(boxes, np.float32))


@pytest.mark.parametrize("late", [0, 3, 7])
def test_pictures_are_found_in_the_film_however_long_they_took(late: int) -> None:
    fps, began = 10.0, 1000.0
    truth = Truth(Boxes.of((f, 7, 8 * f, 50.0, 8 * f + 40, 150.0) for f in range(1, 101)))
    before = row(1, began + late / fps, fps, range(-20, 61), 0.0)  # also before the film began
    skipping = row(2, began + late / fps, fps, range(61, 131, 3), 0.0)  # and after its end
    found, seen = in_frames([before, skipping], truth, began, fps)
    assert found[0].frames.tolist() == list(range(1, 61))
    assert found[1].frames.tolist() == list(range(61, 101, 3))
    assert seen.tolist() == [*range(1, 61), *range(61, 101, 3)]
    np.testing.assert_array_equal(found[0].boxes[:, 0], 8.0 * np.arange(1, 61))


def test_nobody_was_seen() -> None:
    found, seen = in_frames([], Truth(Boxes.of([(1, 1, 0, 0, 9, 9)])), 0.0, 10.0)
    assert (found, len(seen)) == ([], 0)


def test_decisions_are_dated_when_they_can_be_read(tmp_path: Path) -> None:
    site = stored_site.create(tmp_path)
    with Decisions(site) as decisions:
        decisions.look()  # there is no store yet
        assert decisions.delays(0.0) == []
        assignments = stored_site.fill(site, tmp_path)
        decisions.look()
        decisions.look()
        found = decisions.delays(0.0)
        assert len(found) == len(assignments)
        last = max(a.time for a in assignments)
        assert len(decisions.delays(last)) == sum(a.time == last for a in assignments)
        assert decisions.delays(math.inf) == []
        with Store.open(site.store_url) as store:
            store.commit(Batch([], [], Outcome(last)))
        decisions.look()
        assert decisions.delays(0.0) == found


class Drawing(HTMLParser):
    """The circles and texts of a page; a tag left open is an error."""

    VOID = frozenset({"meta", "line", "circle", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.circles: list[dict[str, str | None]] = []
        self.sources: list[str | None] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "circle":
            self.circles.append(dict(attrs))
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_picture_shows_each_step_and_loads_nothing() -> None:
    slow = replace(STEP, cameras=2, fps=4.9, total_fps=9.8, idf1=0.6, delay=3.0)
    lost = replace(slow, cameras=4, delay=math.nan, identity_after=math.nan)
    page = Drawing(draw([STEP, slow, lost], BenchOptions()))
    assert page.sources == []
    assert len(page.circles) == 11  # four charts of three steps, one of which has no delay
    heights = [float(c["cy"] or "nan") for c in page.circles]
    assert all(0 <= height <= 160 for height in heights)
    assert heights[0] < heights[1]  # more frames are higher
    assert [c["class"] for c in page.circles[:3]] == ["good", "late", "late"]


def test_the_table_fits_a_narrow_terminal() -> None:
    many = replace(STEP, cameras=24, fps=7.5, total_fps=180.0, delay=12.3, delay_p90=45.6)
    printed = io.StringIO()
    show([STEP, many], Console(file=printed, width=80))
    shown = printed.getvalue()
    assert "7.5 of 10" in shown
    assert "45.60 s" in shown
    assert "too slow" in shown


def test_a_run_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
        with pytest.raises(CamtrailError, match="ended by itself; see"):
            wait_until(lambda: False, process, 60, tmp_path / "run.log")


def test_a_site_that_does_not_start_is_told(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        with pytest.raises(CamtrailError, match="did not start within 0 s; see"):
            wait_until(lambda: False, process, 0.1, tmp_path / "run.log")
        process.kill()


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(CamtrailError, match="cannot be made: File exists"):
        run(tmp_path / "file", 1, BenchOptions(), as_json=False)


def test_a_site_is_made_live_with_nothing_beside_the_work(tmp_path: Path) -> None:
    simulate_site(tmp_path, SiteOptions(seed=1, cameras=2, people=2, seconds=1, fps=5))
    films = {name: tmp_path / f"{name}.mp4" for name in ("gate", "lobby")}
    with Broadcast(films, 5) as broadcast:
        site = load_site(live_site(tmp_path, broadcast))
        assert {name: c.source for name, c in site.cameras.items()} == {
            name: broadcast.url(name) for name in films
        }
    assert all(camera.live and camera.start is None for camera in site.cameras.values())
    assert site.recorded == []
    assert len(site.topology.transit) == 2


@pytest.mark.slow
def test_one_camera_live_through_the_whole_system(tmp_path: Path) -> None:
    said = camtrail(
        "bench", "--cameras", "1", "--fps", "5", "--seconds", "12", "--out", tmp_path, "--json"
    )
    result = json.loads(said)
    (step,) = result["steps"]
    assert step["cameras"] == 1
    assert step["fps"] > 0
    assert step["decisions"] > 0
    assert step["delay"] > 0
    assert 0.3 < step["idf1"] <= 1
    assert Drawing((tmp_path / "bench.html").read_text()).circles
