"""Deleting what is too old and has no process of its own that would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from pipeline.bus import Keys
from pipeline.bus.runs import spool_folder
from pipeline.config import Site
from pipeline.store.recordings import RING_SECONDS, Recordings, retire

DAY = 86_400.0

_NO_RESERVE = 0


def before(now: float, days: float | None) -> float | None:
    """The time from which on something is kept; None: all of it is."""
    return None if days is None else now - days * DAY


def unwatched_recordings(site: Site) -> Iterator[Recordings]:
    """Of cameras that have no recorder now, which would look after them."""
    folder = site.recordings_dir
    for own in sorted(folder.iterdir()) if folder.is_dir() else ():
        if own.is_dir() and own.name not in site.recorded:
            yield Recordings(folder, own.name)


def retire_recordings(site: Site, now: float) -> int:
    """Deletes segments that are too old, and those of which it was never decided whether anybody is
    in them; how many.

    Raises:
        OSError: one cannot be deleted.
    """
    gone = 0
    for recordings in unwatched_recordings(site):
        recordings.clear_partials()
        for segment in recordings.undecided():
            if segment.end <= now - RING_SECONDS:
                recordings.delete(segment)
                gone += 1
        gone += retire(recordings, site.recording, now, _NO_RESERVE)
    return gone


def orphaned_spools(site: Site) -> Iterator[Path]:
    """Files of the spools of cameras that are not in ``site.yaml`` any more: nobody sends them."""
    known = {spool_folder(site, camera) for camera in site.cameras}
    for folder in sorted(site.spool_dir.iterdir()) if site.spool_dir.is_dir() else ():
        if folder.is_dir() and folder not in known:
            yield from sorted(path for path in folder.iterdir() if path.is_file())


def delete_orphaned_spools(site: Site, until: float) -> int:
    """Deletes those that were last written before ``until``; how many files.

    Raises:
        OSError: one cannot be deleted.
    """
    files = list(orphaned_spools(site))
    folders = {file.parent for file in files}
    young = {file.parent for file in files if file.stat().st_mtime >= until}
    for file in (file for file in files if file.parent not in young):
        file.unlink(missing_ok=True)
    for folder in folders - young:
        folder.rmdir()
    return sum(file.parent not in young for file in files)


def trim_dead_letters(client: redis.Redis, keys: Keys, until: float) -> int:
    """Deletes those that were set aside before ``until``, by Redis' clock; how many.

    Raises:
        redis.RedisError: Redis is away.
    """
    # Of a stream that ends empty its last number stays, so that none is given twice.
    return int(client.xtrim(keys.dead_letters, minid=f"{int(until * 1000)}-0", approximate=False))


def count_dead_letters(client: Any, keys: Keys, until: float | None) -> tuple[int, float, int]:
    """How many there are, when the oldest was set aside, and how many were before ``until``."""
    letters = client.xrange(keys.dead_letters)
    times = [int(number.split(b"-")[0]) / 1000 for number, _ in letters]
    due = sum(moment < until for moment in times) if until is not None else 0
    return len(times), min(times, default=time.time()), due
