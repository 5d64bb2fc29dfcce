"""The matcher's state in the store, from which it goes on after a restart."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Exists, case, exists, func, select
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL

from pipeline.records import Assignment, CameraState, Decision, TrackletKey, TrackletUpdate
from pipeline.store.links import all_links
from pipeline.store.packing import nan, unpack_embedding, unpack_path
from pipeline.store.rows import (
    Holding,
    Link,
    Received,
    RunState,
    StoredPrototype,
    StoredTracklet,
    StoredVisit,
)
from pipeline.store.schema import (
    corrections,
    embeddings,
    forgotten,
    identities,
    meta,
    runs,
    tracklets,
    updates,
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The matcher's state, as of ``tick``.

    ``tracklets`` are those it works on, with all updates, also those later than ``tick``.
    ``gallery`` are the identities in the gallery; ``visits`` and ``prototypes`` what it is done
    with but still needs of them. ``recent`` are the tracklets that it is done with, the newest
    first, also of identities that have left the gallery. ``forgotten`` are tracklets of which
    nothing may be kept, though their cameras may still send some. ``links`` are what people said of
    pairs of tracklets, ``whose`` the identities of these. ``calibration``, ``sameness``,
    ``whitening``, ``lists``, ``topology`` and ``dropped`` are as of `Outcome`.
    """

    tick: float
    calibration: str
    sameness: str
    whitening: str
    lists: str
    topology: str
    fingerprint: str
    next_identity: int
    runs: Sequence[RunState]
    tracklets: Sequence[StoredTracklet]
    gallery: Sequence[int]
    visits: Iterable[StoredVisit]
    prototypes: Iterable[StoredPrototype]
    recent: Iterable[StoredTracklet]
    dropped: tuple[float, TrackletKey] | None = None
    forgotten: Collection[TrackletKey] = ()
    links: Sequence[Link] = ()
    whose: Mapping[TrackletKey, int] = field(default_factory=dict)


def load_snapshot(engine: Engine) -> Snapshot:
    """Reads it; visits, prototypes and the recent are read while they are iterated."""
    with engine.connect() as connection:
        facts = {row.key: row.value for row in connection.execute(select(meta))}
        last = connection.scalar(select(func.max(identities.c.id)))
        fingerprint = facts.get("fingerprint", "")
        gallery = select(identities.c.id).where(identities.c.in_gallery)
        links, whose = all_links(connection)
        return Snapshot(
            tick=float(facts.get("tick", -math.inf)),
            calibration=facts.get("calibration", ""),
            sameness=facts.get("sameness", ""),
            whitening=facts.get("whitening", ""),
            lists=facts.get("lists", ""),
            topology=facts.get("topology", ""),
            fingerprint=fingerprint,
            next_identity=(last or 0) + 1,
            runs=[run_state(row) for row in connection.execute(select(runs))],
            tracklets=_whole_tracklets(connection, tracklets.c.open, fingerprint),
            gallery=connection.scalars(gallery.order_by(identities.c.id)).all(),
            visits=_visits(engine),
            prototypes=_closed_prototypes(engine, fingerprint),
            recent=_recent(engine, fingerprint),
            dropped=_dropped(facts.get("dropped", "")),
            forgotten=[TrackletKey(*row) for row in connection.execute(select(forgotten))],
            links=links,
            whose=whose,
        )


def _dropped(text: str) -> tuple[float, TrackletKey] | None:
    if not text:
        return None
    end, key = json.loads(text)
    return end, TrackletKey(*key)


def load_holdings(engine: Engine, identity: int) -> list[Holding]:
    """All tracklets of an identity as they are now, in order of their start."""
    t = tracklets.c
    query = (
        select(tracklets, _said().label("said"))
        .where(t.identity == identity)
        .order_by(t.start, t.id)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    with engine.connect() as connection:
        stated = select(meta.c.value).where(meta.c.key == "fingerprint")
        shown = {
            prototype.key: (prototype.embedding, prototype.quality)
            for prototype in _prototypes(
                connection, connection.scalar(stated) or "", t.identity == identity
            )
        }
        return [
            Holding(_visit(row, given), given, row.said, shown.get(given.key))
            for row in connection.execute(query)
            if (given := _assignment(row)) is not None
        ]


def _visits(engine: Engine) -> Iterator[StoredVisit]:
    t = tracklets.c
    query = (
        select(t.camera, t.run, t.track, t.identity, t.start, t.end)
        .join(identities, identities.c.id == t.identity)
        .where(identities.c.in_gallery, ~t.open)
        .order_by(t.id)
    )
    with engine.connect() as connection:
        for r in connection.execution_options(yield_per=1000).execute(query):
            yield StoredVisit(TrackletKey(r.camera, r.run, r.track), r.identity, r.start, r.end)


def _closed_prototypes(engine: Engine, fingerprint: str) -> Iterator[StoredPrototype]:
    with engine.connect() as connection:
        in_gallery = identities.c.in_gallery
        yield from _prototypes(connection, fingerprint, ~tracklets.c.open, in_gallery)


def _prototypes(
    connection: Connection, fingerprint: str, *which: ColumnElement[bool]
) -> Iterator[StoredPrototype]:
    t, u = tracklets.c, updates.c
    embedding_now = _embedding_now(fingerprint)
    newest = (
        select(func.max(u.seq))
        .where(u.tracklet == t.id, u.embedding.is_not(None))
        .correlate(tracklets)
        .scalar_subquery()
    )
    query = (
        select(t.camera, t.run, t.track, t.identity, u.quality, embedding_now)
        .join(updates, (u.tracklet == t.id) & (u.seq == newest))
        .join(identities, identities.c.id == t.identity)
        .outerjoin(embeddings, _of_encoder(fingerprint))
        .where(t.prototype, embedding_now.is_not(None), *which)
        .order_by(t.id)
    )
    for r in connection.execution_options(yield_per=1000).execute(query):
        embedding = unpack_embedding(r.embedding_now)
        assert embedding is not None
        key = TrackletKey(r.camera, r.run, r.track)
        yield StoredPrototype(key, r.identity, r.quality, embedding)


def _recent(engine: Engine, fingerprint: str) -> Iterator[StoredTracklet]:
    t = tracklets.c
    query = (
        select(t.id)
        .where(~t.open, t.identity.is_not(None))
        .order_by(t.end.desc(), t.camera.desc(), t.run.desc(), t.track.desc())
    )
    with engine.connect() as connection:
        for (number,) in connection.execution_options(yield_per=100).execute(query):
            with engine.connect() as inner:
                yield from _whole_tracklets(inner, t.id == number, fingerprint)


def _whole_tracklets(
    connection: Connection, which: ColumnElement[bool], fingerprint: str
) -> list[StoredTracklet]:
    query = (
        select(tracklets, updates, _embedding_now(fingerprint), _said().label("said"))
        .join(updates, updates.c.tracklet == tracklets.c.id)
        .outerjoin(embeddings, _of_encoder(fingerprint))
        .where(which)
        .order_by(tracklets.c.id, updates.c.seq)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    found: dict[int, tuple[Assignment | None, bool, list[Received], bool]] = {}
    for row in connection.execute(query):
        if row.tracklets_id not in found:
            found[row.tracklets_id] = (
                _assignment(row),
                row.tracklets_prototype,
                [],
                row.said,
            )
        found[row.tracklets_id][2].append(Received(stored_update(row), row.updates_known_at))
    return [StoredTracklet(*item) for item in found.values()]


def _said() -> Exists:
    """Whether a person said that a tracklet has the identity that it has."""
    return exists().where(
        corrections.c.tracklet == tracklets.c.id, corrections.c.identity == tracklets.c.identity
    )


def _of_encoder(fingerprint: str) -> ColumnElement[bool]:
    e = embeddings.c
    return (e.tracklet == tracklets.c.id) & (e.fingerprint == fingerprint)


def _embedding_now(fingerprint: str) -> ColumnElement[bytes | None]:
    """The embedding of an update by the gallery's encoder: its own, or what was made of the kept
    crops of the whole tracklet later, where it came with one by another encoder.
    """
    own = (tracklets.c.fingerprint == fingerprint) | (fingerprint == "")
    none = updates.c.embedding.is_(None)
    return case((own | none, updates.c.embedding), else_=embeddings.c.embedding).label(
        "embedding_now"
    )


def stored_update(row: Any) -> TrackletUpdate:
    """The update of a row of tracklets and updates, named by table, with ``embedding_now``; without
    its picture.
    """
    return TrackletUpdate(
        camera=row.tracklets_camera,
        run=row.tracklets_run,
        track=row.tracklets_track,
        seq=row.updates_seq,
        start=row.updates_start,
        end=row.updates_end,
        path=unpack_path(row.updates_path),
        crops=row.updates_crops,
        quality=row.updates_quality,
        embedding=unpack_embedding(row.embedding_now),
        fingerprint=row.tracklets_fingerprint,
        thumbnail=None,
        thumbnail_quality=0.0,
        ended=row.updates_ended,
    )


def _assignment(row: Any) -> Assignment | None:
    if row.tracklets_identity is None:
        return None
    return Assignment(
        TrackletKey(row.tracklets_camera, row.tracklets_run, row.tracklets_track),
        row.tracklets_identity,
        Decision(row.tracklets_decision),
        nan(row.tracklets_similarity),
        nan(row.tracklets_runner_up),
        row.tracklets_decided_at,
    )


def _visit(row: Any, assignment: Assignment) -> StoredVisit:
    start, end = row.tracklets_start, row.tracklets_end
    return StoredVisit(assignment.key, assignment.identity, start, end)


def run_state(row: Any) -> RunState:
    """A row of the runs as a record."""
    fields = row._asdict()
    time = -math.inf if row.time is None else row.time
    return RunState(**fields | {"state": CameraState(row.state), "time": time})
