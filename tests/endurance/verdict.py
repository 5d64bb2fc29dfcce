"""What became of the messages and of who is who."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.config import Site
from pipeline.records import TrackletKey
from pipeline.replay.file import Recording
from pipeline.replay.record import record_store
from pipeline.replay.run import replay, settings_of
from pipeline.store import Store
from tests.pipeline.bus.samples import wait_for
from tests.pipeline.live import stored_updates
from tests.pipeline.spools import SpoolReader, Update

_SETTLE_SECONDS = 120.0


def settled(site: Site, reader: SpoolReader) -> set[Update]:
    """What was published by now, after waiting until it is stored; not for ever."""
    published = set(reader.updates)
    wait_for(lambda: published <= set(stored_updates(site)), _SETTLE_SECONDS)
    return published


def judge(site: Site, published: set[Update] | int) -> dict[str, Any]:
    """After everything was stopped.

    Args:
        published: the updates that have to be in the store, or how many there were in all.
    """
    rows = stored_updates(site)
    stored = set(rows)
    lost = published - len(stored) if isinstance(published, int) else len(published - stored)
    with Store.open(site.store_url, read_only=True) as store:
        counts = store.counts()
        dropped = sum(record.dropped for record in store.cameras())
    return {
        "updates published": published if isinstance(published, int) else len(published),
        "updates stored": len(rows),
        "lost": lost,
        "doubled": len(rows) - len(stored) + counts.duplicates,
        "gaps": counts.missing,
        "dropped by full spools": dropped,
        "tracklets": counts.tracklets,
        "identities": counts.identities,
        "identities other than in a replay": changed(site),
    }


def changed(site: Site) -> int:
    """How many tracklets have another identity than a matcher that never died gives them."""
    file = site.data_dir.parent / "all.camtrail"
    file.unlink(missing_ok=True)
    record_store(site, file)
    recording = Recording(file)
    _, ledger = replay(recording, settings_of(recording.header, Path()))
    found = stored_identities(site)
    again = ledger.identities
    return sum(again.get(key) != identity for key, identity in found.items())


def stored_identities(site: Site) -> dict[TrackletKey, int]:
    """By tracklet, of those that are decided."""
    with closing(sqlite3.connect(site.data_dir / "camtrail.sqlite")) as database:
        rows = database.execute(
            "SELECT camera, run, track, identity FROM tracklets WHERE identity IS NOT NULL"
        ).fetchall()
    return {TrackletKey(camera, run, track): identity for camera, run, track, identity in rows}
