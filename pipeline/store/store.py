"""Writing the store: one transaction a batch, and the matcher's state on start."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from pipeline.records import (
    Assignment,
    CameraState,
    Decision,
    TrackletKey,
    TrackletUpdate,
)
from pipeline.store.connection import database_file, open_database
from pipeline.store.crops import write_crop
from pipeline.store.packing import pack_embedding, pack_path, unpack_embedding, unpack_path
from pipeline.store.reader import Reader, nan
from pipeline.store.rows import (
    Batch,
    Outcome,
    RunState,
    StoredPrototype,
    StoredTracklet,
    StoredVisit,
    Verdict,
)
from pipeline.store.schema import events, identities, meta, runs, tracklets, updates

_NEWEST = ("seq", "end", "crops", "quality", "ended", "thumbnail_quality")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The matcher's state, as of ``tick``.

    ``tracklets`` are those it works on, with all updates, also those later than ``tick``.
    ``gallery`` are the identities in the gallery; ``visits`` and ``prototypes`` what it is done
    with but still needs of them.
    """

    tick: float
    fingerprint: str
    next_identity: int
    runs: Sequence[RunState]
    tracklets: Sequence[StoredTracklet]
    gallery: Sequence[int]
    visits: Iterable[StoredVisit]
    prototypes: Iterable[StoredPrototype]


class Store(Reader):
    """The store of a site; `Store.open` makes one. One thread at a time."""

    @classmethod
    def open(cls, url: str, read_only: bool = False, crops: Path | None = None) -> Store:
        """Opens the store of a site; makes it where it is missing and may be written.

        Args:
            url: SQLAlchemy URL, see `Site.store_url`.
            read_only: readers never wait for the matcher, nor it for them.
            crops: folder of the crops; by default ``crops`` beside the SQLite file.

        Raises:
            CamtrailError: it is missing (read only), corrupt, no store, or of another version.
        """
        engine = open_database(url, read_only)
        file = database_file(url)
        return cls(engine, crops or (file.parent if file else Path()) / "crops")

    def commit(self, batch: Batch) -> None:
        """Writes all of the batch in one transaction; crops first. Safe to call again.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: nothing of it is in the store, e.g. disk full.
        """
        names = [write_crop(self.crops, u) for u in batch.updates]
        with self._engine.begin() as connection:
            self._write_updates(connection, batch.updates, names)
            self._write_outcome(connection, batch.outcome)
            if batch.runs:
                self._upsert(connection, runs, ("camera", "run"), [_run_row(r) for r in batch.runs])
            facts = {"fingerprint": batch.fingerprint}
            if math.isfinite(batch.outcome.tick):
                facts["tick"] = repr(batch.outcome.tick)
            self._write_meta(connection, {k: v for k, v in facts.items() if v})

    def remember(self, key: str, value: str) -> None:
        """Keeps a fact about the whole store."""
        with self._engine.begin() as connection:
            self._write_meta(connection, {key: value})

    def snapshot(self) -> Snapshot:
        """The state that the matcher goes on from."""
        with self._engine.connect() as connection:
            facts = {row.key: row.value for row in connection.execute(select(meta))}
            last = connection.scalar(select(func.max(identities.c.id)))
            gallery = connection.scalars(
                select(identities.c.id).where(identities.c.in_gallery).order_by(identities.c.id)
            ).all()
            return Snapshot(
                tick=float(facts.get("tick", -math.inf)),
                fingerprint=facts.get("fingerprint", ""),
                next_identity=(last or 0) + 1,
                runs=[_run_state(row) for row in connection.execute(select(runs))],
                tracklets=_open_tracklets(connection),
                gallery=gallery,
                visits=self._visits(),
                prototypes=self._prototypes(),
            )

    def _write_updates(
        self, connection: Connection, batch: Sequence[TrackletUpdate], names: Sequence[str | None]
    ) -> None:
        if not batch:
            return
        rows: dict[TrackletKey, dict[str, Any]] = {}
        for u, name in zip(batch, names, strict=True):
            known = rows.get(u.key)
            rows[u.key] = _tracklet_row(u, name or (known["crop"] if known else None))
        ids = self._upsert_tracklets(connection, list(rows.values()))
        statement = self._insert(updates).on_conflict_do_nothing()
        connection.execute(statement, [_update_row(ids[u.key], u) for u in batch])

    def _upsert_tracklets(
        self, connection: Connection, rows: list[dict[str, Any]]
    ) -> dict[TrackletKey, int]:
        statement = self._insert(tracklets)
        newest = {name: statement.excluded[name] for name in _NEWEST}
        newest["crop"] = func.coalesce(statement.excluded.crop, tracklets.c.crop)
        statement = statement.on_conflict_do_update(
            index_elements=["camera", "run", "track"], set_=newest
        ).returning(tracklets.c.id, tracklets.c.camera, tracklets.c.run, tracklets.c.track)
        result = connection.execute(statement, rows)
        return {TrackletKey(row.camera, row.run, row.track): row.id for row in result}

    def _write_outcome(self, connection: Connection, outcome: Outcome) -> None:
        new = [
            {"id": v.assignment.identity, "created_at": v.time, "in_gallery": True}
            for v in outcome.verdicts
            if v.assignment is not None and v.assignment.decision is Decision.NEW
        ]
        _many(connection, insert(identities), new)
        verdicts = [_verdict_row(v) for v in outcome.verdicts]
        _many(connection, _SET_DECISION, [_decision_row(row) for row in verdicts])
        _many(connection, _ADD_EVENT, verdicts)
        prototypes = [_key(k) | {"p": flag} for k, flag in outcome.prototypes.items()]
        _many(connection, _by_key().values(prototype=bindparam("p")), prototypes)
        _many(connection, _by_key().values(open=False), [_key(k) for k in outcome.closed])
        _many(connection, _RETIRE, [{"i": i} for i in outcome.retired])

    def _write_meta(self, connection: Connection, facts: dict[str, str]) -> None:
        if facts:
            rows = [{"key": key, "value": value} for key, value in facts.items()]
            self._upsert(connection, meta, ("key",), rows)

    def _upsert(
        self, connection: Connection, table: Any, key: Sequence[str], rows: list[dict[str, Any]]
    ) -> None:
        statement = self._insert(table)
        rest = {name: statement.excluded[name] for name in rows[0] if name not in key}
        connection.execute(
            statement.on_conflict_do_update(index_elements=list(key), set_=rest), rows
        )

    def _insert(self, table: Any) -> Any:
        sqlite = self._engine.dialect.name == "sqlite"
        return sqlite_insert(table) if sqlite else postgresql_insert(table)

    def _visits(self) -> Iterator[StoredVisit]:
        t = tracklets.c
        query = (
            select(t.camera, t.run, t.track, t.identity, t.start, t.end)
            .join(identities, identities.c.id == t.identity)
            .where(identities.c.in_gallery, ~t.open)
        )
        with self._engine.connect() as connection:
            for r in connection.execution_options(yield_per=1000).execute(query):
                key = TrackletKey(r.camera, r.run, r.track)
                yield StoredVisit(key, r.identity, r.start, r.end)

    def _prototypes(self) -> Iterator[StoredPrototype]:
        t, u = tracklets.c, updates.c
        newest = (
            select(func.max(u.seq))
            .where(u.tracklet == t.id, u.embedding.is_not(None))
            .correlate(tracklets)
            .scalar_subquery()
        )
        query = (
            select(t.camera, t.run, t.track, t.identity, u.quality, u.embedding)
            .join(updates, (u.tracklet == t.id) & (u.seq == newest))
            .where(t.prototype, ~t.open)
            .order_by(t.id)
        )
        with self._engine.connect() as connection:
            for r in connection.execution_options(yield_per=1000).execute(query):
                embedding = unpack_embedding(r.embedding)
                assert embedding is not None
                key = TrackletKey(r.camera, r.run, r.track)
                yield StoredPrototype(key, r.identity, r.quality, embedding)


def _open_tracklets(connection: Connection) -> list[StoredTracklet]:
    query = (
        select(tracklets, updates)
        .join(updates, updates.c.tracklet == tracklets.c.id)
        .where(tracklets.c.open)
        .order_by(tracklets.c.id, updates.c.seq)
        .set_label_style(_LABELS)
    )
    found: dict[int, tuple[Assignment | None, bool, list[TrackletUpdate]]] = {}
    for row in connection.execute(query):
        if row.tracklets_id not in found:
            found[row.tracklets_id] = (_assignment(row), row.tracklets_prototype, [])
        found[row.tracklets_id][2].append(_stored_update(row))
    return [StoredTracklet(*item) for item in found.values()]


def _stored_update(row: Any) -> TrackletUpdate:
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
        embedding=unpack_embedding(row.updates_embedding),
        fingerprint=row.tracklets_fingerprint,
        thumbnail=None,
        thumbnail_quality=row.tracklets_thumbnail_quality,
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
