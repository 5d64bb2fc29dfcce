"""When decisions can be read in the store, beside the moments on which they were taken."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, select

from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.store.connection import open_database
from pipeline.store.schema import events


class Decisions:
    """Look often: what is found is dated by the clock then."""

    def __init__(self, site: Site) -> None:
        self._url = site.store_url
        self._engine: Engine | None = None
        self._last = 0
        self._found: list[tuple[float, float]] = []  # event time, by the clock

    def look(self) -> None:
        """Takes note of the decisions that are new."""
        if self._engine is None:
            try:
                self._engine = open_database(self._url, read_only=True)
            except CamtrailError:  # not there yet
                return
        query = select(events.c.id, events.c.time).where(events.c.id > self._last)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(events.c.id)).all()
        now = time.time()
        for row in rows:
            self._last = row.id
            self._found.append((row.time, now))

    def delays(self, since: float) -> list[float]:
        """Seconds from the moment of each decision since then until it could be read."""
        return [seen - moment for moment, seen in self._found if moment >= since]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._engine is not None:
            self._engine.dispose()
