"""What the notifier counts. Receivers are called as ``site.yaml`` calls them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pipeline.notify.outbox import Outbox, Tally
from pipeline.telemetry.metrics import counter, gauge

DELIVERED = counter("notify_delivered", "Notifications that were taken.", "receiver")
GIVEN_UP = counter("notify_given_up", "Notifications that were given up.", "receiver")
FAILED = counter("notify_failed_attempts", "Attempts that failed.", "receiver")
WAITING = gauge("notify_waiting", "Notifications that wait.", "receiver")

_LOOK_SECONDS = 5.0


class Counted:
    """What the outbox has counted since the first look."""

    def __init__(self, outbox: Outbox, receivers: Sequence[str]) -> None:
        self._outbox, self._receivers = outbox, receivers
        self._before: dict[str, Tally] = {}
        self._looked = -_LOOK_SECONDS
        for name in receivers:
            for metric in (DELIVERED, GIVEN_UP, FAILED, WAITING):
                metric.labels(name)

    def look(self) -> None:
        """Every few seconds. Raises `sqlite3.Error`."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for tally in self._outbox.tally(self._receivers):
            before = self._before.get(tally.receiver, tally)
            DELIVERED.labels(tally.receiver).inc(tally.delivered - before.delivered)
            GIVEN_UP.labels(tally.receiver).inc(tally.dropped - before.dropped)
            WAITING.labels(tally.receiver).set(tally.waiting)
            self._before[tally.receiver] = tally
