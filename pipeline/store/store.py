"""Writing the store: one transaction a batch."""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError

from pipeline.errors import CamtrailError
from pipeline.keyring import Keyring
from pipeline.records import Decision, FloatArray, TrackletKey, TrackletUpdate
from pipeline.store import corrections, links
from pipeline.store.changes import Said, to_undo
from pipeline.store.connection import TROUBLE, cause, database_file, open_database
from pipeline.store.crops import KeptCrop, best_of, superfluous, write_crop
from pipeline.store.embeddings import forget_learned, forget_likeness, keep_embeddings
from pipeline.store.overwriting import begin_overwriting, finish_overwriting
from pipeline.store.packing import finite, pack_embedding, pack_path
from pipeline.store.reader import Reader
from pipeline.store.recordings import Recordings
from pipeline.store.retention import Expired, expire, expire_audit, strays
from pipeline.store.rows import (
    Batch,
    Change,
    Holding,
    Move,
    Outcome,
    Received,
    RunState,
    StoredVisit,
    Verdict,
)
from pipeline.store.schema import (
    crops,
    events,
    identities,
    meta,
    runs,
    tracklets,
    updates,
)
from pipeline.store.snapshot import Snapshot, load_holdings, load_snapshot
from pipeline.store.versions import copies
from pipeline.store.whose import visits

_UNSURE_SECONDS = 30.0  # for which a database that went away in a transaction is waited for
_PAUSE_SECONDS = 0.2
_IDENTIFYING = ("camera", "run", "track", "fingerprint")
_NEWEST = ("seq", "start", "end", "crops", "quality", "ended")


class Store(Reader):
    """The store of a site; `Store.open` makes one. One thread at a time."""

    def __init__(
        self,
        engine: Engine,
        crops: Path,
        keep: int = 0,
        file: Path | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        super().__init__(engine, crops)
        self._keep = keep
        self._keyring = keyring or Keyring()
        self._file = file
        self._owner = ""

    @classmethod
    def open(
        cls,
        url: str,
        read_only: bool = False,
        crops: Path | None = None,
        keep: int = 0,
        keyring: Keyring | None = None,
    ) -> Store:
        """Opens the store of a site; makes it where it is missing and may be written.

        Args:
            url: SQLAlchemy URL, see `Site.store_url`.
            read_only: readers never wait for the matcher, nor it for them.
            crops: folder of the crops; by default ``crops`` beside the SQLite file.
            keep: how many crops of a tracklet stay beside the best one.
            keyring: encrypts crops that are not encrypted yet.

        Raises:
            CamtrailError: it is missing (read only), corrupt, no store, or of another version.
        """
        engine = open_database(url, read_only)
        file = database_file(url)
        folder = crops or (file.parent if file else Path()) / "crops"
        return cls(engine, folder, keep, file, keyring)

    def claim(self, owner: str) -> None:
        """From now on nobody else writes: whoever claimed the store before can no more, though it
        may not know yet that it was taken for dead.
        """
        self.remember("owner", owner)
        self._owner = owner

    def commit(self, batch: Batch) -> None:
        """Writes all of the batch in one transaction; crops first. Safe to call again.

        Raises:
            OSError, sqlalchemy.exc.DBAPIError: nothing of it is in the store, e.g. disk full.
            CamtrailError: the same, since somebody else has claimed the store.
        """
        pictures = [
            (u.key, _kept_crop(u, write_crop(self.crops, u, u.thumbnail, self._keyring)))
            for u in (r.update for r in batch.updates)
            if u.thumbnail
        ]
        with self._writing() as connection:
            ids = self._write_updates(connection, batch.updates)
            dropped = self._write_crops(connection, [(ids[key], crop) for key, crop in pictures])
            self._write_outcome(connection, batch.outcome)
            if batch.runs:
                self._upsert(connection, runs, ("camera", "run"), [_run_row(r) for r in batch.runs])
            facts = {"fingerprint": batch.fingerprint}
            if math.isfinite(batch.outcome.tick):
                facts["tick"] = repr(batch.outcome.tick)
            if batch.outcome.calibration:
                facts["calibration"] = batch.outcome.calibration
            if batch.outcome.sameness:
                facts["sameness"] = batch.outcome.sameness
            if batch.outcome.dropped is not None:
                facts["dropped"] = json.dumps(batch.outcome.dropped)
            if batch.outcome.whitening:
                facts["whitening"] = batch.outcome.whitening
            if batch.outcome.lists:
                facts["lists"] = batch.outcome.lists
            if batch.outcome.topology:
                facts["topology"] = batch.outcome.topology
            self._write_meta(connection, {k: v for k, v in facts.items() if v})
        for file in dropped:
            with suppress(OSError):  # a file too many is no reason to commit all of it again
                (self.crops / file).unlink()

    def visits(self, identity: int) -> list[StoredVisit]:
        """All tracklets of an identity. Raises `CamtrailError` where it has none."""
        with self._engine.connect() as connection:
            return list(visits(connection, identity).values())

    def holdings(self, identity: int) -> list[Holding]:
        """All tracklets of an identity as the matcher has to know them; perhaps none."""
        return load_holdings(self._engine, identity)

    def confirm(
        self, identity: int, keys: Collection[TrackletKey], said: Said
    ) -> tuple[int, list[TrackletKey]]:
        """See `pipeline.store.corrections`, as for all that people say. Gives the number of the
        change, as the others do.
        """
        with self._writing() as connection:
            return corrections.confirm(connection, identity, keys, said)

    def merge(self, survivor: int, other: int, said: Said) -> int:
        """All tracklets of ``other`` get the identity ``survivor``."""
        with self._writing() as connection:
            return corrections.merge(connection, survivor, other, said)

    def split(self, identity: int, new: int, keys: Collection[TrackletKey], said: Said) -> int:
        """Some tracklets of an identity get a new one."""
        with self._writing() as connection:
            return corrections.split(connection, identity, new, keys, said)

    def owner(self, key: TrackletKey) -> int:
        """The identity that a tracklet has."""
        with self._engine.connect() as connection:
            return links.owner(connection, key)

    def answer(
        self, one: TrackletKey, other: TrackletKey, move: Move | None, said: Said, *, same: bool
    ) -> int:
        """Two tracklets show one person, or two: see `pipeline.store.links`."""
        with self._writing() as connection:
            return links.answer(connection, one, other, move, said, same=same)

    def rename(self, identity: int, name: str | None, said: Said) -> int:
        """Gives an identity a name, or takes it."""
        with self._writing() as connection:
            return corrections.rename(connection, identity, name, said)

    def mark_staff(self, identity: int, staff: bool, said: Said) -> int:
        """Says that an identity belongs to the house, or does not."""
        with self._writing() as connection:
            return corrections.mark_staff(connection, identity, staff, said)

    def watch(self, identity: int, reason: str | None, said: Said) -> int:
        """Puts an identity on the watch list, or takes it off."""
        with self._writing() as connection:
            return corrections.watch(connection, identity, reason, said)

    def skip(self, key: TrackletKey) -> None:
        """A person cannot say of a tracklet who it is."""
        with self._writing() as connection:
            corrections.skip(connection, key)

    def to_undo(self, number: int | None, author: str, *, administrator: bool) -> Change:
        """What `undo` would take back. Raises `CamtrailError` where it would."""
        with self._engine.connect() as connection:
            return to_undo(connection, number, author, administrator=administrator)[0]

    def undo(self, number: int, said: Said, *, administrator: bool) -> int:
        """Takes a change back."""
        with self._writing() as connection:
            return corrections.undo(connection, number, said, administrator=administrator)

    def forget(self, identity: int, said: Said) -> tuple[list[TrackletKey], bool]:
        """Deletes all that is known of an identity, pictures and recordings first, so that a crash
        leaves what can be forgotten again; gives the keys of its tracklets, and whether they are
        overwritten in the database's files (see `pipeline.store.overwriting`).
        """
        with self._writing() as connection:
            begin_overwriting(connection)
            own = visits(connection, identity).values()
            keys, files = corrections.forget(connection, identity, said)
            forget_likeness(connection)
            for file in files:
                (self.crops / file).unlink(missing_ok=True)
            for visit in own:
                recordings = Recordings(self.crops.with_name("recordings"), visit.key.camera)
                recordings.forget(visit.start, visit.end)
            for copy in copies(self._file) if self._file else ():
                copy.unlink(missing_ok=True)
        overwritten = finish_overwriting(self._engine)
        return keys, overwritten

    def expire(self, tracklets_before: float | None, crops_before: float | None) -> Expired:
        """Deletes a part of what is too old; see `pipeline.store.retention`. Pictures go first, so
        that a crash leaves what can be deleted again.
        """
        with self._writing() as connection:
            begin_overwriting(connection)
            expired, files = expire(connection, tracklets_before, crops_before)
            for file in files:
                (self.crops / file).unlink(missing_ok=True)
        for day in {(self.crops / file).parent for file in files}:
            with suppress(OSError):  # it holds others
                day.rmdir()
                day.parent.rmdir()
        return expired

    def expire_audit(self, before: float) -> int:
        """Deletes who did what before a time; how many lines."""
        with self._writing() as connection:
            begin_overwriting(connection)
            return expire_audit(connection, before)

    def delete_strays(self, before: float) -> int:
        """Deletes files of crops from before a time that the store does not know; how many.

        Raises:
            OSError: one cannot be deleted.
        """
        with self._engine.connect() as connection:
            found = strays(connection, self.crops, before)
        for file in found:
            file.unlink(missing_ok=True)
            with suppress(OSError):  # it holds others
                file.parent.rmdir()
                file.parent.parent.rmdir()
        return len(found)

    def finish_expiring(self) -> None:
        """After the last part: what was deleted is overwritten, as far as that holds nobody up, and
        copies of former versions, which have it as well, go too.
        """
        for copy in copies(self._file) if self._file else ():
            copy.unlink(missing_ok=True)
        finish_overwriting(self._engine, rewrite=False)

    def keep_embeddings(self, fingerprint: str, found: Mapping[int, FloatArray]) -> None:
        """Keeps what another encoder made of the crops of tracklets, by their number."""
        with self._writing() as connection:
            keep_embeddings(connection, fingerprint, found)

    def change_encoder(self, fingerprint: str) -> None:
        """From the next `snapshot` on, the gallery is this encoder's.

        A tracklet without an embedding by it keeps its identity, but can only be found again by
        its time and place.
        """
        with self._writing() as connection:
            self._write_meta(connection, {"fingerprint": fingerprint})
            forget_learned(connection)

    def remember(self, key: str, value: str) -> None:
        """Keeps a fact about the whole store."""
        with self._writing() as connection:
            self._write_meta(connection, {key: value})

    def snapshot(self) -> Snapshot:
        """The state that the matcher goes on from."""
        return load_snapshot(self._engine)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction; begun by taking the row of the owner, so that two never write at once.

        Where the connection is lost while it is committed, only the database knows whether it was;
        it is asked when it is back.
        """
        token = secrets.token_hex(8)
        with self._engine.connect() as connection:
            transaction = connection.begin()  # rolled back where it is not committed
            if self._owner and not connection.execute(_HOLD, {"b_owner": self._owner}).rowcount:
                raise CamtrailError("another matcher has taken over this site")
            self._write_meta(connection, {"transaction": token})
            yield connection
            try:
                transaction.commit()
            except DBAPIError as error:
                if not error.connection_invalidated or not self._was_committed(token):
                    raise

    def _was_committed(self, token: str) -> bool:
        """Raises `CamtrailError` where the database stays away."""
        deadline = time.monotonic() + _UNSURE_SECONDS
        while True:
            try:
                return self.fact("transaction") == token
            except TROUBLE as error:
                if time.monotonic() > deadline:
                    raise CamtrailError(
                        "the store went away in the middle of a transaction; whether it has it is "
                        f"seen when it is back: {cause(error)}"
                    ) from None
                time.sleep(_PAUSE_SECONDS)

    def _write_updates(
        self, connection: Connection, batch: Sequence[Received]
    ) -> dict[TrackletKey, int]:
        """Gives the rows' numbers of their tracklets."""
        if not batch:
            return {}
        newest = {r.update.key: r.update for r in batch}
        ids = self._upsert_tracklets(connection, [_tracklet_row(u) for u in newest.values()])
        statement = self._insert(updates).on_conflict_do_nothing()
        connection.execute(statement, [_update_row(ids[r.update.key], r) for r in batch])
        return ids

    def _write_crops(
        self, connection: Connection, new: Sequence[tuple[int, KeptCrop]]
    ) -> list[str]:
        """Adds crops to their tracklets; the files of those that are too many from now on."""
        if not new:
            return []
        statement = self._insert(crops).on_conflict_do_nothing()
        rows = [{"tracklet": tracklet, **crop._asdict()} for tracklet, crop in new]
        connection.execute(statement, rows)
        dropped = []
        for tracklet in dict.fromkeys(tracklet for tracklet, _ in new):
            of_tracklet = select(*(crops.c[name] for name in KeptCrop._fields)).where(
                crops.c.tracklet == tracklet
            )
            kept = [KeptCrop(*row) for row in connection.execute(of_tracklet)]
            best = best_of(kept)
            connection.execute(
                _SET_BEST, {"b_id": tracklet, "b_crop": best.file, "b_quality": best.quality}
            )
            for crop in superfluous(kept, self._keep):
                connection.execute(_DROP_CROP, {"b_tracklet": tracklet, "b_seq": crop.seq})
                dropped.append(crop.file)
        return dropped

    def _upsert_tracklets(
        self, connection: Connection, rows: list[dict[str, Any]]
    ) -> dict[TrackletKey, int]:
        statement = self._insert(tracklets)
        newest = {name: statement.excluded[name] for name in _NEWEST}
        newest["open"] = statement.excluded.open  # a late update opens a closed one again
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


def _tracklet_row(u: TrackletUpdate) -> dict[str, Any]:
    row = {name: getattr(u, name) for name in (*_IDENTIFYING, *_NEWEST)}
    return row | {"thumbnail_quality": 0.0, "open": True, "prototype": False}


def _kept_crop(u: TrackletUpdate, file: str) -> KeptCrop:
    return KeptCrop(u.seq, file, u.end, u.thumbnail_quality)


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
        "v_rival": verdict.rival,
        "v_doubt": verdict.doubt,
    }


def _many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


_HOLD = (
    update(meta)
    .where(meta.c.key == "owner", meta.c.value == bindparam("b_owner"))
    .values(value=bindparam("b_owner"))
)
_SAME_KEY = (
    (tracklets.c.camera == bindparam("k_camera"))
    & (tracklets.c.run == bindparam("k_run"))
    & (tracklets.c.track == bindparam("k_track"))
)
_SET_PROTOTYPE = update(tracklets).where(_SAME_KEY).values(prototype=bindparam("p"))
_SET_BEST = (
    update(tracklets)
    .where(tracklets.c.id == bindparam("b_id"))
    .values(crop=bindparam("b_crop"), thumbnail_quality=bindparam("b_quality"))
)
_DROP_CROP = delete(crops).where(
    (crops.c.tracklet == bindparam("b_tracklet")) & (crops.c.seq == bindparam("b_seq"))
)
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
        rival=bindparam("v_rival"),
        doubt=bindparam("v_doubt"),
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
