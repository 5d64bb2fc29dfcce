"""What else the matcher deletes when it is too old: not decided on, and no process' own."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from pipeline.bus import Keys
from pipeline.config import Site
from pipeline.matcher.expiry import SWEEP_SECONDS
from pipeline.retention import sweep
from pipeline.retention.metrics import DELETED
from pipeline.store import Store
from pipeline.store.connection import TROUBLE, cause
from pipeline.telemetry import get_logger

log = get_logger(__name__)


class Housekeeping:
    """Looks every ten minutes. Use it between two batches."""

    def __init__(self, site: Site, store: Store, client: redis.Redis, keys: Keys) -> None:
        self._site = site
        self._store = store
        self._client = client
        self._keys = keys
        self._due = 0.0

    def step(self) -> None:
        """Deletes what is due; where one kind cannot be deleted now, the others are.

        Raises:
            redis.RedisError: Redis is away.
        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + SWEEP_SECONDS
        now, options = time.time(), self._site.retention
        pictures = _first_of(
            sweep.before(now, options.tracklets_days), sweep.before(now, options.crops_days)
        )
        for kind, until, delete in (
            ("audit", sweep.before(now, options.audit_days), self._store.expire_audit),
            ("stray crops", pictures, self._store.delete_strays),
            ("recordings", now, lambda now: sweep.retire_recordings(self._site, now)),
            (
                "spools",
                sweep.before(now, options.tracklets_days),
                lambda until: sweep.delete_orphaned_spools(self._site, until),
            ),
            ("dead letters", sweep.before(now, options.dead_letters_days), self._trim),
        ):
            if until is not None:
                self._delete(kind, until, delete)

    def _delete(self, kind: str, until: float, delete: Callable[[float], int]) -> None:
        try:
            gone = delete(until)
        except (OSError, *TROUBLE) as error:
            log.warning("what is too old cannot be deleted yet", kind=kind, error=cause(error))
            return
        if gone:
            DELETED.labels(kind).inc(gone)
            log.info("deleted what was too old", kind=kind, number=gone)

    def _trim(self, until: float) -> int:
        return sweep.trim_dead_letters(self._client, self._keys, until)


def _first_of(one: float | None, other: float | None) -> float | None:
    """The later of two times, before which pictures are too old."""
    given = [moment for moment in (one, other) if moment is not None]
    return max(given, default=None)
