"""How far event time may go."""

from __future__ import annotations

import math

from pipeline.matcher.watermark import Watermark
from pipeline.records import CameraState, Envelope, Position, Progress, TrackletKey

RUNS = ("R1", "R2", "R3")
RUNNING, ENDED, LOST = CameraState.RUNNING, CameraState.ENDED, CameraState.LOST


def said(
    camera: str,
    number: int,
    time: float,
    state: CameraState = RUNNING,
    run: str = "R1",
    live: bool = False,
) -> Envelope:
    return Envelope(number, Progress(camera, run, time, state, live))


def after(*messages: Envelope, lateness: float = 10.0, wait_for_all: bool = False) -> Watermark:
    mark = Watermark(("a", "b", "c"), lateness, wait_for_all)
    for message in messages:
        mark.observe(message)
    return mark


def test_the_slowest_camera_decides() -> None:
    assert after().now() == (-math.inf, "")
    assert after(said("a", 1, 5), said("b", 1, 3)).now() == (3, "b")
    assert after(said("a", 1, 5), said("b", 1, 3), wait_for_all=True).now() == (-math.inf, "c")


def test_who_is_at_the_end_or_lost_is_not_waited_for() -> None:
    mark = after(said("a", 1, 5), said("b", 1, 3, ENDED))
    assert mark.now() == (5, "a")
    assert not mark.all_gone
    mark = after(said("a", 1, 5, LOST), said("b", 1, 3, ENDED), said("c", 1, 0, ENDED))
    assert mark.now() == (math.inf, "")
    assert mark.all_gone
    mark.observe(said("a", 1, 5, CameraState.STARTING, "R2"))
    assert mark.now() == (5, "a")


def test_only_live_cameras_are_left_behind() -> None:
    live = [said("a", 1, 100, live=True), said("b", 1, 85, live=True)]
    assert after(*live).now() == (100, "a")
    assert after(*live, lateness=20).now() == (85, "b")
    assert after(*live, said("c", 1, 2)).now() == (2, "c")


def test_time_never_goes_back() -> None:
    mark = after(said("a", 1, 9), said("a", 1, 0, CameraState.STARTING, "R2"))
    assert mark.now() == (9, "a")


def test_messages_are_seen_once() -> None:
    mark = after(said("a", 1, 1), said("a", 2, 2))
    assert mark.observe(said("a", 2, 2)) is None
    assert mark.observe(said("a", 5, 5)) is not None  # what a full spool dropped
    run = mark.observe(said("a", 6, 6))
    assert run is not None
    assert (run.number, run.messages) == (6, 4)
    assert mark.positions() == {"a": Position("R1", 6)}
    mark.observe(said("a", 1, 7, run="R2"))
    assert mark.positions() == {"a": Position("R2", 1)}
    assert mark.observe(said("a", 7, 7)) is not None  # the rest of the former run
    assert mark.positions() == {"a": Position("R2", 1)}


def test_a_strange_camera_holds_nobody_up() -> None:
    assert after(said("a", 1, 5), said("removed", 1, 1)).now() == (5, "a")


def test_a_new_run_ends_the_former_behind_what_it_covered() -> None:
    mark = after(said("a", 1, 5))
    track = TrackletKey("a", "R1", 1)
    assert mark.closed_at(track) == math.inf
    mark.observe(said("a", 1, 5, CameraState.STARTING, "R2"))
    assert 5 < mark.closed_at(track) < 5.001
    assert {run.run for run in mark.take_changed()} == {"R1", "R2"}
    assert mark.take_changed() == []


def test_what_is_said_after_a_progress_is_known_after_it() -> None:
    mark = after(said("a", 1, 5))
    assert 5 < mark.known_at("a", 3.2) < 5.001
    assert mark.known_at("a", 5.7) == 5.7


def test_old_runs_are_forgotten_but_not_taken_for_new() -> None:
    mark = after(*[said("a", 1, n, run=f"R{n:03}") for n in range(40)])
    assert mark.observe(said("a", 1, 3, run="R003")) is None
    assert mark.positions() == {"a": Position("R039", 1)}
