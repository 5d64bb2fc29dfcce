"""Where everybody was in the pictures of a camera, so that a clip can hide them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Engine, func, select

from pipeline.privacy.clips import Presence
from pipeline.records import Path
from pipeline.store.packing import unpack_path
from pipeline.store.schema import runs, tracklets, updates

SLACK = 0.5  # seconds: what the worker saw and what was recorded came by two connections
FILE_SLACK = 0.3  # the same of a file: people are there a little before and after their boxes


def presence(
    engine: Engine, camera: str, start: float, end: float, *, live: bool, since: float
) -> Presence:
    """Where everybody was from ``start`` to ``end``.

    Of a live camera a run of its worker knows nothing before it first saw somebody, since it may
    have been starting; of a file every picture is seen.

    Args:
        since: what is older may have been deleted from the store: it is not known.
    """
    slack = SLACK if live else FILE_SLACK
    t, u = tracklets.c, updates.c
    first = select(t.run, func.min(t.start).label("first")).where(t.camera == camera)
    begun = first.group_by(t.run).subquery()
    reached = select(begun.c.first, runs.c.time).join(
        runs, (runs.c.camera == camera) & (runs.c.run == begun.c.run)
    )
    far = select(func.max(runs.c.time)).where(runs.c.camera == camera)
    here = (
        select(u.tracklet, u.path)
        .join(tracklets, t.id == u.tracklet)
        .where(t.camera == camera, t.start <= end + slack, u.end >= start - slack)
        .order_by(u.tracklet, u.seq)
    )
    parts: defaultdict[int, list[Path]] = defaultdict(list)
    with engine.connect() as connection:
        # First how far it goes: what is committed after it is among the rest.
        spans = [(row.first, row.time) for row in connection.execute(reached)]
        covered = connection.scalar(far)
        for row in connection.execution_options(yield_per=100).execute(here):
            parts[row.tracklet].append(unpack_path(row.path))
    if not live:
        spans = [(-math.inf, covered)]
    known = [
        (max(begin, since), until - (slack if live else 0.0))
        for begin, until in spans
        if until is not None
    ]
    return Presence([_joined(own) for own in parts.values()], known, slack)


def _joined(parts: Sequence[Path]) -> Path:
    return Path(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.boxes for part in parts]),
    )
