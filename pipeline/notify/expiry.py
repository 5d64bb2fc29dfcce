"""What was told long ago is forgotten."""

from __future__ import annotations

import time

from pipeline.notify.outbox import Outbox
from pipeline.retention.metrics import DELETED
from pipeline.telemetry import get_logger

SWEEP_SECONDS = 600.0

_DAY = 86_400.0

log = get_logger(__name__)


class Expiry:
    """Looks every ten minutes.

    Args:
        days: how long it is kept; None: for good.
    """

    def __init__(self, days: float | None, outbox: Outbox) -> None:
        self._days = days
        self._outbox = outbox
        self._due = 0.0

    def step(self) -> None:
        """Deletes what is due.

        Raises:
            sqlite3.Error: it is tried again later.
        """
        if self._days is None or time.monotonic() < self._due:
            return
        gone = self._outbox.expire(time.time() - self._days * _DAY)
        self._due = time.monotonic() + SWEEP_SECONDS
        if gone:
            DELETED.labels("notifications").inc(gone)
            log.info("deleted what was too old", kind="notifications", number=gone)
