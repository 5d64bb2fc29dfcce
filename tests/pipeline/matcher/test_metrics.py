"""What the matcher counts, beside what an engine decided."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from pipeline.matcher import metrics
from pipeline.matcher.engine import Engine
from pipeline.matcher.metrics import Meter, kind_of
from pipeline.records import CameraState, Envelope
from pipeline.telemetry.metrics import REGISTRY
from tests.pipeline.matcher.synthetic import START, Script, engine, scripts


def value(metric: str, /, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"camtrail_matcher_{metric}", labels) or 0.0


def live(script: Script) -> list[Envelope]:
    """The messages of a camera that goes on."""
    script.live = True
    return [m for m in script.envelopes() if getattr(m.body, "state", "") is not CameraState.ENDED]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as the meter sees it."""
    now = [START]
    monkeypatch.setattr(metrics.time, "time", lambda: now[0])
    return now


def play(target: Engine, meter: Meter, clock: list[float]) -> tuple[Any, Any]:
    """Takes the cameras' groups in step, each 1.5 s after its capture; all updates and verdicts."""
    streams = [live(script) for script in scripts(3)]
    updates, verdicts = [], []
    messages = sorted(
        (m for stream in streams for m in stream),
        key=lambda m: (m.body.time if hasattr(m.body, "time") else m.body.end, m.camera, m.number),
    )
    by_camera = {stream[0].camera: iter(stream) for stream in streams}
    for message in messages:  # in order within each camera
        following = next(by_camera[message.camera])
        body = following.body
        moment = body.time if hasattr(body, "time") else body.end
        clock[0] = max(clock[0], moment + 1.5)
        batch = target.take([following])
        meter.committed(batch, 0.01)
        updates += [r.update for r in batch.updates]
        verdicts += batch.outcome.verdicts
        meter.report()
    return updates, verdicts


def test_counts_are_those_of_what_was_decided(clock: list[float]) -> None:
    target = engine()
    kinds = ("new", "matched", "repaired", "released")
    before = {kind: value("decisions_total", kind=kind) for kind in kinds}
    committed = {c: value("updates_committed_total", camera=c) for c in "abc"}
    delays = value("capture_to_commit_seconds_count", camera="a")
    decided = sum(value("capture_to_decision_seconds_count", camera=c) for c in "abc")
    updates, verdicts = play(target, Meter(target), clock)
    wanted = Counter(kind_of(verdict) for verdict in verdicts)
    assert wanted["new"] > 2
    assert wanted["matched"] > 2
    for kind in kinds:
        assert value("decisions_total", kind=kind) - before[kind] == wanted[kind]
    of_camera = Counter(update.camera for update in updates)
    for camera, number in committed.items():
        assert value("updates_committed_total", camera=camera) - number == of_camera[camera]
    assert value("capture_to_commit_seconds_count", camera="a") - delays == of_camera["a"]
    first = [v for v in verdicts if v.former is None and v.assignment is not None]
    now = sum(value("capture_to_decision_seconds_count", camera=c) for c in "abc")
    assert now - decided == len(first)


def test_it_says_how_far_time_has_come_and_what_the_gallery_holds(clock: list[float]) -> None:
    target = engine()
    play(target, Meter(target), clock)
    watermark, _ = target.inbox.watermark.now()
    assert value("watermark_timestamp_seconds") == watermark
    clock[0] = watermark + 42.5
    assert value("watermark_lag_seconds") == pytest.approx(42.5)
    assert value("identities") == len(target.timelines) > 0
    assert value("prototypes") == len(target.gallery)
    assert value("undecided") == len(target.hand.undecided)
    for name in ("accept", "new"):
        assert value("threshold", name=name) == getattr(target.thresholds, name)
        assert value("threshold_recommended", name=name) == target.recommended[name]
    assert min(value("camera_lag_seconds", camera=c) for c in "abc") == 0.0


def test_nobody_lags_where_nobody_is_live() -> None:
    metrics.CAMERA_LAG.clear()  # of the tests before
    target = engine()
    meter = Meter(target)
    for script in scripts(3):
        meter.committed(target.take(script.envelopes()), 0.01)
    meter.report()
    assert math.isinf(target.inbox.watermark.now()[0])
    assert value("watermark_lag_seconds") == 0.0
    assert REGISTRY.get_sample_value("camtrail_matcher_camera_lag_seconds", {"camera": "a"}) is None


def test_late_and_foreign_updates_are_counted_once() -> None:
    target = engine()
    meter = Meter(target)
    before = value("updates_foreign_total")
    own, other, *_ = scripts(3)
    other.fingerprint = "another"
    for script in (own, other):
        meter.committed(target.take(script.envelopes()), 0.01)
    meter.report()
    meter.report()
    assert target.inbox.foreign > 0
    assert value("updates_foreign_total") - before == target.inbox.foreign


def test_what_people_ask_has_few_kinds() -> None:
    target = engine()
    meter = Meter(target)
    before = value("requests_total", kind="unknown", result="refused")
    for kind in ("rm -rf", "x" * 200):
        meter.asked(kind, "refused")
    assert value("requests_total", kind="unknown", result="refused") == before + 2


def test_the_store_that_takes_nothing_is_said_until_it_does() -> None:
    target = engine()
    meter = Meter(target)
    meter.fault()
    assert value("store_fault") == 1.0
    meter.committed(target.take([]), 0.01)
    assert value("store_fault") == 0.0
