"""What the viewer counts. A route is its pattern, never what was asked for in it."""

from __future__ import annotations

from pipeline.telemetry.metrics import WORK, counter, gauge, histogram

REQUESTS = counter("viewer_requests", "Requests that were answered.", "method", "route", "status")
SECONDS = histogram(
    "viewer_request_seconds",
    "Seconds until an answer began; streams of events end when their page is closed.",
    "route",
    buckets=WORK,
)
WATCHING = gauge("viewer_watching", "Live streams that are watched.")
LOGINS = counter("viewer_logins", "Logins: done, refused, or too often.", "result")

for result in ("done", "refused", "too often"):  # from 0 on, so that the first is seen as one
    LOGINS.labels(result)
