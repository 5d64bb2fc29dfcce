"""Writing the store: one transaction a batch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from pipeline.records import Decision, TrackletKey, TrackletUpdate
from pipeline.store.connection import database_file, open_database
from pipeline.store.crops import write_crop
from pipeline.store.packing import finite, pack_embedding, pack_path
from pipeline.store.reader import Reader
from pipeline.store.rows import Batch, Outcome, Received, RunState, Verdict
from pipeline.store.schema import events, identities, meta, runs, tracklets, updates
from pipeline.store.snapshot import Snapshot, load_snapshot

_IDENTIFYING = ("camera", "run", "track", "fingerprint")
_NEWEST = ("seq", "start", "end", "crops", "quality", "ended", "thumbnail_quality")


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
        pictures = [r.update for r in batch.updates if r.update.thumbnail]
        crops = {u.key: write_crop(self.crops, u, u.thumbnail or b"") for u in pictures}
        with self._engine.begin() as connection:
            self._write_updates(connection, batch.updates, crops)
            self._write_outcome(connection, batch.outcome)
            if batch.runs:
                self._upsert(connection, runs, ("camera", "run"), [_run_row(r) for r in batch.runs])
            facts = {"fingerprint": batch.fingerprint}
            if math.isfinite(batch.outcome.tick):
                facts["tick"] = repr(batch.outcome.tick)
            if batch.outcome.calibration:
                facts["calibration"] = batch.outcome.calibration
            self._write_meta(connection, {k: v for k, v in facts.items() if v})

    def remember(self, key: str, value: str) -> None:
        """Keeps a fact about the whole store."""
        with self._engine.begin() as connection:
            self._write_meta(connection, {key: value})

    def snapshot(self) -> Snapshot:
        """The state that the matcher goes on from."""
        return load_snapshot(self._engine)

    def _write_updates(
        self,
        connection: Connection,
        batch: Sequence[Received],
        crops: Mapping[TrackletKey, str],
    ) -> None:
        if not batch:
            return
        newest = {r.update.key: r.update for r in batch}
        rows = [_tracklet_row(u, crops.get(key)) for key, u in newest.items()]
        ids = self._upsert_tracklets(connection, rows)
        statement = self._insert(updates).on_conflict_do_nothing()
        connection.execute(statement, [_update_row(ids[r.update.key], r) for r in batch])

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
        _many(connection, _SET_DECISION, verdicts)
        _many(connection, _ADD_EVENT, verdicts)
        flags = [_key(key) | {"p": flag} for key, flag in outcome.prototypes.items()]
        _many(connection, _SET_PROTOTYPE, flags)
        _many(connection, _CLOSE, [_key(key) for key in outcome.closed])
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


def _tracklet_row(u: TrackletUpdate, crop: str | None) -> dict[str, Any]:
    row = {name: getattr(u, name) for name in (*_IDENTIFYING, *_NEWEST)}
    return row | {"crop": crop, "open": True, "prototype": False}


def _update_row(tracklet: int, received: Received) -> dict[str, Any]:
    u = received.update
    return {
        "tracklet": tracklet,
        "seq": u.seq,
        "start": u.start,
        "end": u.end,
        "crops": u.crops,
        "quality": u.quality,
        "embedding": pack_embedding(u.embedding),
        "ended": u.ended,
        "known_at": received.known_at,
        "path": pack_path(u.path),
    }


def _run_row(run: RunState) -> dict[str, Any]:
    row = {column.name: getattr(run, column.name) for column in runs.columns}
    return row | {"state": run.state.value, "time": finite(run.time)}


def _key(key: TrackletKey) -> dict[str, Any]:
    return {"k_camera": key.camera, "k_run": key.run, "k_track": key.track}


def _verdict_row(verdict: Verdict) -> dict[str, Any]:
    assignment = verdict.assignment
    return _key(verdict.key) | {
        "v_time": verdict.time,
        "v_decision": assignment.decision.value if assignment else "released",
        "v_identity": assignment.identity if assignment else None,
        "v_former": verdict.former,
        "v_similarity": finite(assignment.similarity) if assignment else None,
        "v_runner_up": finite(assignment.runner_up) if assignment else None,
        "v_reason": json.dumps(dict(verdict.reason)),
    }


def _many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


_SAME_KEY = (
    (tracklets.c.camera == bindparam("k_camera"))
    & (tracklets.c.run == bindparam("k_run"))
    & (tracklets.c.track == bindparam("k_track"))
)
_SET_PROTOTYPE = update(tracklets).where(_SAME_KEY).values(prototype=bindparam("p"))
_CLOSE = update(tracklets).where(_SAME_KEY).values(open=False)
_RETIRE = update(identities).where(identities.c.id == bindparam("i")).values(in_gallery=False)
_SET_DECISION = (
    update(tracklets)
    .where(_SAME_KEY)
    .values(
        identity=bindparam("v_identity"),
        decision=bindparam("v_decision"),
        similarity=bindparam("v_similarity"),
        runner_up=bindparam("v_runner_up"),
        decided_at=bindparam("v_time"),
    )
)
_ADD_EVENT = insert(events).values(
    tracklet=select(tracklets.c.id).where(_SAME_KEY).scalar_subquery(),
    time=bindparam("v_time"),
    decision=bindparam("v_decision"),
    identity=bindparam("v_identity"),
    former=bindparam("v_former"),
    similarity=bindparam("v_similarity"),
    runner_up=bindparam("v_runner_up"),
    reason=bindparam("v_reason"),
)
