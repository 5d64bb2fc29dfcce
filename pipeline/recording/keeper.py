"""Which segments stay: those that somebody is in, for so long and up to so much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from pipeline.config import Recording, Site
from pipeline.errors import CamtrailError
from pipeline.recording.metrics import SEGMENTS
from pipeline.store.connection import open_database, readable_errors
from pipeline.store.recordings import RING_SECONDS, Recordings, Segment, retire
from pipeline.store.schema import runs, tracklets
from pipeline.telemetry import get_logger

RESERVE_BYTES = 2**30  # of the disk: the store and the spools need it more than we
SETTLE_SECONDS = 5.0  # by which a tracklet may begin before what its camera last reported

_LONGEST_STAY = 86_400.0  # seconds of one tracklet
_RETIRE_SECONDS = 60.0

log = get_logger(__name__)


@dataclass(frozen=True)
class Known:
    """What the store knows of a camera.

    Attributes:
        stays: when somebody was in view, ``(start, end)`` of capture time.
        covered: capture time up to which that is all.
    """

    stays: Sequence[tuple[float, float]]
    covered: float


NOTHING = Known([], -math.inf)


class Keeper:
    """Looks after the segments of one camera. One thread."""

    def __init__(self, site: Site, camera: str) -> None:
        self._site = site
        self._camera = camera
        self._recordings = Recordings(site.recordings_dir, camera)
        self._retired = -math.inf
        self._unread = ""

    def look(self, now: float) -> None:
        """Keeps and deletes what is due at ``now``, seconds since the epoch.

        Raises:
            OSError: a file cannot be moved or deleted.
        """
        if undecided := self._recordings.undecided():
            known = self._known(undecided)
            kept, gone = judge(self._recordings, undecided, known, self._site.recording, now)
            SEGMENTS.labels(self._camera, "kept").inc(kept)
            SEGMENTS.labels(self._camera, "deleted").inc(gone)
        if now - self._retired >= _RETIRE_SECONDS:
            self._retired = now
            gone = retire(self._recordings, self._site.recording, now, RESERVE_BYTES)
            SEGMENTS.labels(self._camera, "retired").inc(gone)

    def _known(self, segments: Sequence[Segment]) -> Known:
        margin = self._site.recording
        low, high = segments[0].start - margin.after, segments[-1].end + margin.before
        try:
            known = read_known(self._site.store_url, self._camera, low, high)
        except CamtrailError as error:
            if str(error) != self._unread:
                log.warning("nothing is kept yet", camera=self._camera, error=str(error))
            self._unread = str(error)
            return NOTHING
        self._unread = ""
        return known


def read_known(store_url: str, camera: str, low: float, high: float) -> Known:
    """What the store knows of a camera from ``low`` to ``high``.

    Raises:
        CamtrailError: there is no store yet, or it cannot be read.
    """
    t, r = tracklets.c, runs.c
    stays = select(t.start, t.end).where(
        t.camera == camera, t.start.between(low - _LONGEST_STAY, high), t.end >= low
    )
    engine = open_database(store_url, read_only=True)
    try:
        with readable_errors("the store"), engine.connect() as connection:
            # First how far it goes: what is committed after it is among the rest, or not yet due.
            covered = connection.scalar(select(func.max(r.time)).where(r.camera == camera))
            found = [(row.start, row.end) for row in connection.execute(stays)]
    finally:
        engine.dispose()
    return Known(found, -math.inf if covered is None else covered)


def judge(
    recordings: Recordings,
    undecided: Sequence[Segment],
    known: Known,
    options: Recording,
    now: float,
) -> tuple[int, int]:
    """Keeps the segments that show something of a stay, with what is kept before and after it, and
    deletes those that no stay can reach any more; how many of each.
    """
    wanted = [(start - options.before, end + options.after) for start, end in known.stays]
    settled = known.covered - SETTLE_SECONDS - options.before
    kept = deleted = 0
    for segment in undecided:
        if any(segment.touches(start, end) for start, end in wanted):
            recordings.keep(segment)
            kept += 1
        elif segment.end <= settled or segment.end <= now - RING_SECONDS:
            recordings.delete(segment)
            deleted += 1
    return kept, deleted
