"""Housekeeping: what is older than ``retention`` allows goes from the store, and from memory."""

from __future__ import annotations

import time

from pipeline.config import Retention
from pipeline.matcher.engine import Engine
from pipeline.retention.metrics import DELETED
from pipeline.store import Store
from pipeline.telemetry import get_logger

SWEEP_SECONDS = 600.0  # between the end of one look and the next

_DAY = 86_400.0

log = get_logger(__name__)


class Expiry:
    """Use it between two batches, when everything decided is in the store."""

    def __init__(self, options: Retention, store: Store, engine: Engine) -> None:
        self._options = options
        self._store = store
        self._engine = engine
        self._due = 0.0
        self._tracklets = self._crops = 0  # deleted since the sweep began

    def step(self) -> bool:
        """Deletes a part of what is due; whether that was the last one of a sweep that deleted
        something, so that messages about it are to be forgotten as well.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: it is tried again later.
        """
        limited = self._options.tracklets_days is not None or self._options.crops_days is not None
        if not limited or time.monotonic() < self._due:
            return False
        now = time.time()
        expired = self._store.expire(
            _before(now, self._options.tracklets_days), _before(now, self._options.crops_days)
        )
        self._engine.expire(expired.keys)
        for identity in expired.identities:
            if identity in self._engine.timelines:
                if holdings := self._store.holdings(identity):
                    self._engine.reassign(identity, holdings)
                else:
                    self._engine.drop(identity)
        self._tracklets += len(expired.keys)
        self._crops += expired.crops
        if expired:
            return False
        self._due = time.monotonic() + SWEEP_SECONDS
        if not self._tracklets and not self._crops:
            return False
        self._store.finish_expiring()
        DELETED.labels("tracklets").inc(self._tracklets)
        DELETED.labels("crops").inc(self._crops)
        log.info("deleted what was too old", tracklets=self._tracklets, crops=self._crops)
        self._tracklets = self._crops = 0
        return True


def _before(now: float, days: float | None) -> float | None:
    return None if days is None else now - days * _DAY
