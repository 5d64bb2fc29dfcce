"""Everything that the store was ever told, in the order in which it became known."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, select
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL

from pipeline.store.rows import Received, RunState
from pipeline.store.schema import runs, tracklets, updates
from pipeline.store.snapshot import run_state, stored_update


def arrivals(engine: Engine, since: float, until: float) -> Iterator[Received]:
    """All updates of the tracklets that were in view between two times, as their camera sent them
    but for the pictures, by the event time at which they were known.
    """
    t, u = tracklets.c, updates.c
    query = (
        select(t.camera, t.run, t.track, t.fingerprint, updates, u.embedding.label("embedding_now"))
        .join(tracklets, t.id == u.tracklet)
        .where(t.end >= since, t.start < until)
        .order_by(u.known_at, t.camera, t.run, t.track, u.seq)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    with engine.connect() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield Received(stored_update(row), row.updates_known_at)


def load_runs(engine: Engine) -> list[RunState]:
    """How far each run of each camera is."""
    with engine.connect() as connection:
        query = select(runs).order_by(runs.c.camera, runs.c.run)
        return [run_state(row) for row in connection.execute(query)]
