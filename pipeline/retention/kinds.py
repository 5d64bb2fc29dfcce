"""What there is of each kind of data, and what the next sweep deletes of it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy import func, select

from pipeline.bus import Keys, connect
from pipeline.config import Site
from pipeline.errors import CamtrailError
from pipeline.exports import exports_left
from pipeline.notify.outbox import FILE as OUTBOX
from pipeline.notify.outbox import Outbox
from pipeline.retention import sweep
from pipeline.store.connection import database_file, has_store, open_database, readable_errors
from pipeline.store.recordings import RING_SECONDS, Recordings, Segment
from pipeline.store.retention import due, strays
from pipeline.store.schema import audit, crops, tracklets
from pipeline.store.versions import copies
from pipeline.supervise.logs import too_old
from pipeline.viewer.access.database import FILE as ACCESS

_DAY = sweep.DAY


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes:
        kept: how long, in words; "until deleted": by you.
        number: how many things there are; None: it is not known, and ``said`` tells why.
        bytes: of what are files.
        oldest: seconds since the epoch: of people when they were last seen, of files when they were
            last written.
        due: how many of them the next sweep deletes.
        by: whose sweep that is; empty: nobody's.
    """

    kind: str
    where: str
    kept: str
    number: int | None = 0
    bytes: int | None = None
    oldest: float | None = None
    due: int = 0
    by: str = ""
    said: str = ""


def all_kinds(site: Site, now: float) -> Iterator[Kind]:
    """All of them, in the order of the data map in the README."""
    yield from _of_store(site, now)
    yield from _recordings(site, now)
    yield _spools(site, now)
    yield from _of_redis(site, now)
    yield _notifications(site, now)
    yield _looks(site, now)
    yield _logs(site, now)
    yield _copies(site)
    yield _exports(site)


def _of_store(site: Site, now: float) -> Iterator[Kind]:
    options = site.retention
    file = database_file(site.store_url)
    where = str(file) if file else "the database"
    people = Kind("tracklets", where, _days(options.tracklets_days, "forgotten"), by="matcher")
    days = min(filter(None, (options.crops_days, options.tracklets_days)), default=None)
    pictures = Kind("crops", str(site.crops_dir), _days(days, "forgotten"), by="matcher")
    lines = Kind("audit", where, _days(options.audit_days), by="matcher")
    if not has_store(site.store_url):
        yield from (people, pictures, lines)
        return
    try:
        yield from _counted(site, now, people, pictures, lines)
    except CamtrailError as error:
        for kind in (people, pictures, lines):
            yield Kind(kind.kind, kind.where, kind.kept, None, by=kind.by, said=str(error))


def _counted(site: Site, now: float, people: Kind, pictures: Kind, lines: Kind) -> Iterator[Kind]:
    options = site.retention
    before = [
        sweep.before(now, days)
        for days in (options.tracklets_days, options.crops_days, options.audit_days)
    ]
    engine = open_database(site.store_url, read_only=True)
    with readable_errors("the store"), engine.connect() as connection:
        many, first = connection.execute(
            select(func.count(), func.min(tracklets.c.end)).select_from(tracklets)
        ).one()
        shown, taken = connection.execute(
            select(func.count(), func.min(crops.c.time)).select_from(crops)
        ).one()
        said, since = connection.execute(
            select(func.count(), func.min(audit.c.time)).select_from(audit)
        ).one()
        old = due(connection, before[0], before[1])
        lost = max((moment for moment in before[:2] if moment is not None), default=None)
        stray = 0 if lost is None else len(strays(connection, site.crops_dir, lost))
        forgettable = 0
        if before[2] is not None:
            query = select(func.count()).select_from(audit).where(audit.c.time < before[2])
            forgettable = connection.scalar(query) or 0
    engine.dispose()
    size = sum(_size(path) for path in _files(site.crops_dir))
    yield _with(people, many, None, first, old.tracklets)
    yield _with(pictures, shown, size, taken, old.crops + stray)
    yield _with(lines, said, None, since, forgettable)


def _recordings(site: Site, now: float) -> Iterator[Kind]:
    folder, options = site.recordings_dir, site.recording
    kept = f"{options.days:g} days"
    before = now - options.days * _DAY
    for own in sorted(folder.iterdir()) if folder.is_dir() else ():
        recordings = Recordings(folder, own.name)
        segments = recordings.kept()
        ring = recordings.undecided()
        looked_after = own.name in site.recorded
        gone = sum(segment.end < before for segment in segments)
        if not looked_after:
            gone += sum(segment.end <= now - RING_SECONDS for segment in ring)
        yield Kind(
            "recordings",
            str(own),
            kept,
            len(segments) + len(ring),
            sum(_size(segment.file) for segment in (*segments, *ring)),
            _first(segments, ring),
            gone,
            "recorder" if looked_after else "matcher",
        )
    if not folder.is_dir():
        yield Kind("recordings", str(folder), kept, by="recorder")


def _spools(site: Site, now: float) -> Kind:
    files = [path for path in _files(site.spool_dir) if path.suffix == ".seg"]
    before = sweep.before(now, site.retention.tracklets_days)
    orphans = list(sweep.orphaned_spools(site))
    gone = sum(_written(path) < before for path in orphans) if before is not None else 0
    said = ""
    if orphans:
        names = sorted({path.parent.name for path in orphans})
        said = f"of cameras that are not in site.yaml: {', '.join(names)}"
    return Kind(
        "spools",
        str(site.spool_dir),
        "until committed",
        len(files),
        sum(map(_size, files)),
        min(map(_written, files), default=None),
        gone,
        "worker",
        said,
    )


def _of_redis(site: Site, now: float) -> Iterator[Kind]:
    keys = Keys(site.site)
    letters = Kind("dead letters", "Redis", _days(site.retention.dead_letters_days), by="matcher")
    messages = Kind("messages", "Redis", "until committed", by="matcher")
    try:
        with connect(site, name="camtrail-retention") as client:
            waiting = client.xrange(keys.tracklets, count=1)
            length: int = client.xlen(keys.tracklets)
            before = sweep.before(now, site.retention.dead_letters_days)
            number, oldest, gone = sweep.count_dead_letters(client, keys, before)
    except (redis.RedisError, OSError) as error:
        for kind in (messages, letters):
            said = f"Redis does not answer ({type(error).__name__}): is the site running?"
            yield Kind(kind.kind, kind.where, kind.kept, None, by=kind.by, said=said)
        return
    first = int(waiting[0][0].split(b"-")[0]) / 1000 if waiting else None
    yield _with(messages, length, None, first, 0)
    yield _with(letters, number, None, oldest if number else None, gone)


def _notifications(site: Site, now: float) -> Kind:
    days = site.retention.notifications_days
    kind = Kind("notifications", str(site.data_dir / OUTBOX), _days(days), by="notifier")
    if not (site.data_dir / OUTBOX).exists():
        return kind
    with closing(Outbox(site.data_dir)) as outbox:
        number, oldest, gone = outbox.kept(now - days * _DAY if days is not None else 0.0)
    return _with(kind, number, None, oldest, gone if days is not None else 0)


def _looks(site: Site, now: float) -> Kind:
    days, file = site.viewer.audit_days, site.data_dir / ACCESS
    kind = Kind("looks", str(file), _days(days), by="viewer")
    if not file.exists():
        return kind
    before = now - days * _DAY
    query = "SELECT count(*), min(time), count(*) FILTER (WHERE until < ?) FROM audit"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            ((number, oldest, gone),) = opened.execute(query, (before,))
    except sqlite3.Error as error:
        return Kind(kind.kind, kind.where, kind.kept, None, by=kind.by, said=str(error))
    return _with(kind, number, None, oldest, gone)


def _logs(site: Site, now: float) -> Kind:
    days = site.retention.logs_days
    files = list(_files(site.logs_dir))
    return Kind(
        "logs",
        str(site.logs_dir),
        _days(days),
        len(files),
        sum(map(_size, files)),
        min(map(_written, files), default=None),
        len(too_old(site.logs_dir, days, now)),
        "run",
    )


def _copies(site: Site) -> Kind:
    file = database_file(site.store_url)
    files = copies(file) if file else []
    return Kind(
        "store copies",
        str(site.data_dir),
        "until deleted",
        len(files),
        sum(map(_size, files)),
        min(map(_written, files), default=None),
    )


def _exports(site: Site) -> Kind:
    left = exports_left(site)
    return Kind(
        "exports",
        ", ".join(str(export.path) for export in left) or "where you put them",
        "until deleted",
        len(left),
        None,
        min((export.time for export in left), default=None),
    )


def _with(kind: Kind, number: int, size: int | None, oldest: float | None, gone: int) -> Kind:
    return Kind(kind.kind, kind.where, kind.kept, number, size, oldest, gone, kind.by)


def _days(days: float | None, otherwise: str = "deleted") -> str:
    return f"{days:g} days" if days is not None else f"until {otherwise}"


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _size(path: Path) -> int:
    with suppress(OSError):  # it has just gone
        return path.stat().st_size
    return 0


def _written(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return time.time()


def _first(*segments: Iterable[Segment]) -> float | None:
    return min((segment.start for some in segments for segment in some), default=None)
