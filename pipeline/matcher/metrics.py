"""What the matcher counts. Set by its one thread; read by whoever asks."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from pipeline.records import TrackletKey
from pipeline.telemetry.metrics import WORK, counter, gauge, histogram

if TYPE_CHECKING:  # who only asks which metrics there are need not load the matcher
    from pipeline.matcher.engine import Engine
    from pipeline.store import Batch, Verdict

COMMITTED = counter("matcher_updates_committed", "Updates in the store.", "camera")
DECISIONS = counter(
    "matcher_decisions",
    "Decisions: somebody new, matched, repaired (moved to another identity), released (undecided "
    "again).",
    "kind",
)
TO_COMMIT = histogram(
    "matcher_capture_to_commit_seconds",
    "Seconds from the end of a live camera's update to when it was in the store.",
    "camera",
)
TO_DECISION = histogram(
    "matcher_capture_to_decision_seconds",
    "Seconds from a person's first picture in a live camera to when the store has who it is.",
    "camera",
)
DECIDE_SECONDS = histogram(
    "matcher_decide_seconds", "Seconds that the decisions of a batch took.", buckets=WORK
)
COMMIT_SECONDS = histogram(
    "matcher_commit_seconds", "Seconds that the store took for a batch.", buckets=WORK
)
STORE_FAULTS = counter("matcher_store_faults", "Times that the store took nothing.")
STORE_FAULT = gauge("matcher_store_fault", "Whether the store takes nothing now.")
REQUESTS = counter(
    "matcher_requests", "What people asked: done, refused or failed.", "kind", "result"
)
ACTIVE = gauge("matcher_active", "1 where it decides, 0 while it stands by.")
UNDECIDED = gauge("matcher_undecided", "Tracklets on which it abstains: between same and new.")
WAITING = gauge("matcher_waiting_updates", "Updates whose time has not come.")
IDENTITIES = gauge("matcher_identities", "Identities in the gallery.")
PROTOTYPES = gauge("matcher_prototypes", "Embeddings in the gallery.")
RECALL = gauge("matcher_recall", "Share of the nearest that a search finds; NaN: all are compared.")
THRESHOLD = gauge("matcher_threshold", "Similarities accept and new, as they are now.", "name")
RECOMMENDED = gauge("matcher_threshold_recommended", "As the encoder's file has them.", "name")
ENCODER = gauge("matcher_encoder_info", "1 for the encoder of the gallery.", "fingerprint")
WATERMARK = gauge(
    "matcher_watermark_timestamp_seconds", "Capture time up to which all is known; NaN: none."
)
LAG = gauge("matcher_watermark_lag_seconds", "How far that is behind the clock; 0: nobody is live.")
CAMERA_LAG = gauge(
    "matcher_camera_lag_seconds", "How far a live camera is behind the most advanced one.", "camera"
)
LATE = counter("matcher_updates_late", "Updates that came after their time had been decided.")
FOREIGN = counter("matcher_updates_foreign", "Updates of another encoder: stored, not decided on.")
REFUSED = counter("matcher_updates_refused", "Updates of people who were forgotten.")

_KINDS = (
    *("confirm", "merge", "split", "rename", "staff", "watch", "forget"),
    *("same", "different", "skip", "undo"),
)


class Meter:
    """Follows an engine whose batches are committed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told = (0, 0, 0)
        self._covered = math.nan  # the watermark while somebody is live
        self._live: set[str] = set()
        LAG.set_function(self._lag)
        ACTIVE.set(1)
        for name, value in engine.recommended.items():
            RECOMMENDED.labels(name).set(value)

    def committed(self, batch: Batch, seconds: float) -> None:
        """A batch is in the store, which took so many seconds."""
        now = time.time()
        COMMIT_SECONDS.observe(seconds)
        STORE_FAULT.set(0)
        for received in batch.updates:
            update = received.update
            COMMITTED.labels(update.camera).inc()
            if self._engine.inbox.watermark.live(update.camera):
                TO_COMMIT.labels(update.camera).observe(max(0.0, now - update.end))
        for verdict in batch.outcome.verdicts:
            DECISIONS.labels(kind_of(verdict)).inc()
            if verdict.former is None:
                self._decided(verdict.key, now)

    def fault(self) -> None:
        """The store took nothing."""
        STORE_FAULTS.inc()
        STORE_FAULT.set(1)

    def asked(self, kind: str, result: str) -> None:
        """Somebody asked, and that came of it."""
        REQUESTS.labels(kind if kind in _KINDS else "unknown", result).inc()

    def report(self) -> None:
        """How it stands now."""
        engine = self._engine
        UNDECIDED.set(len(engine.hand.undecided))
        WAITING.set(len(engine.inbox))
        IDENTITIES.set(len(engine.timelines))
        PROTOTYPES.set(len(engine.gallery))
        RECALL.set(engine.gallery.recall)
        THRESHOLD.labels("accept").set(engine.thresholds.accept)
        THRESHOLD.labels("new").set(engine.thresholds.new)
        if engine.inbox.fingerprint:
            ENCODER.labels(engine.inbox.fingerprint).set(1)
        told = engine.inbox.late, engine.inbox.foreign, engine.inbox.refused
        for metric, value, before in zip((LATE, FOREIGN, REFUSED), told, self._told, strict=True):
            metric.inc(value - before)
        self._told = told
        self._report_time()

    def _report_time(self) -> None:
        watermark, _ = self._engine.inbox.watermark.now()
        live = self._engine.inbox.watermark.live_cameras()
        WATERMARK.set(watermark if math.isfinite(watermark) else math.nan)
        self._covered = watermark if live and math.isfinite(watermark) else math.nan
        newest = max(live.values(), default=0.0)
        for camera in self._live - live.keys():
            CAMERA_LAG.remove(camera)
        for camera, covered in live.items():
            CAMERA_LAG.labels(camera).set(newest - covered)
        self._live = set(live)

    def _lag(self) -> float:
        """By the clock of whoever asks, so that it grows where the matcher hangs."""
        lag = time.time() - self._covered
        return 0.0 if math.isnan(lag) else max(0.0, lag)

    def _decided(self, key: TrackletKey, now: float) -> None:
        tracklet = self._engine.hand.open.get(key)
        if tracklet is not None and self._engine.inbox.watermark.live(key.camera):
            TO_DECISION.labels(key.camera).observe(max(0.0, now - tracklet.visit.start))


def kind_of(verdict: Verdict) -> str:
    """The label of a decision."""
    if verdict.assignment is None:
        return "released"
    return "repaired" if verdict.former is not None else verdict.assignment.decision.value
