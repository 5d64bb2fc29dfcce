"""Reading the store: who was seen, where, and how much there is."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from sqlalchemy import Engine, FromClause, Select, func, inspect, select

from pipeline.records import CameraState, TrackletKey
from pipeline.records import Path as TrackPath
from pipeline.store.arrivals import arrivals, load_runs
from pipeline.store.changes import history, said_the_same
from pipeline.store.embeddings import Unembedded, count_embedded, unembedded
from pipeline.store.packing import nan, unpack_path
from pipeline.store.rows import (
    CONFIDENCE,
    CameraRecord,
    Change,
    Decided,
    IdentityDetail,
    IdentitySummary,
    Received,
    RunState,
    StoreCounts,
    StoredCrop,
    TrackRow,
    Visit,
)
from pipeline.store.schema import (
    changes,
    corrections,
    crops,
    embeddings,
    events,
    identities,
    links,
    meta,
    runs,
    tracklets,
    updates,
)
from pipeline.store.whose import nobody


class Reader:
    """What any process may ask of a store. One thread at a time.

    Attributes:
        crops: the folder under which the crops' files stand.
    """

    def __init__(self, engine: Engine, crops: Path) -> None:
        self._engine = engine
        self.crops = crops

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()

    def fact(self, key: str) -> str | None:
        """A fact about the whole store, e.g. ``fingerprint``; None where it is not known yet."""
        with self._engine.connect() as connection:
            value: str | None = connection.scalar(select(meta.c.value).where(meta.c.key == key))
            return value

    def decisions(self, key: TrackletKey) -> list[Decided]:
        """All decisions on a tracklet, the first one first; none where it is unknown."""
        t = tracklets.c
        same = (t.camera == key.camera) & (t.run == key.run) & (t.track == key.track)
        query = select(events).join(tracklets, t.id == events.c.tracklet).where(same)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(events.c.id)).all()
        return [_decided(row) for row in rows]

    def identities(self) -> list[IdentitySummary]:
        """Everybody who has a tracklet, by number."""
        t = tracklets.c
        with self._engine.connect() as connection:
            cameras = defaultdict(list)
            for r in connection.execute(
                select(t.identity, t.camera)
                .where(t.identity.is_not(None))
                .group_by(t.identity, t.camera)
                .order_by(t.identity, func.min(t.start), t.camera)
            ):
                cameras[r.identity].append(r.camera)
            crops = {r.identity: r.crop for r in connection.execute(_best_crops())}
            return [
                IdentitySummary(
                    identity=r.id,
                    name=r.name,
                    staff=r.staff,
                    watched=r.watched,
                    first_seen=r.first,
                    last_seen=r.last,
                    cameras=tuple(cameras[r.id]),
                    tracklets=r.visits,
                    crop=self._crop(crops.get(r.id)),
                )
                for r in connection.execute(_summaries())
            ]

    def identity(self, identity: int) -> IdentityDetail:
        """One person. Raises `CamtrailError` that says whose the tracklets are, or who is known."""
        t = tracklets.c
        with self._engine.connect() as connection:
            row = connection.execute(_summaries().where(identities.c.id == identity)).one_or_none()
            if row is None:
                raise nobody(connection, identity)
            rows = connection.execute(
                select(tracklets).where(t.identity == identity).order_by(t.start, t.id)
            ).all()
        best = max((r for r in rows if r.crop), key=lambda r: r.thumbnail_quality, default=None)
        summary = IdentitySummary(
            identity=identity,
            name=row.name,
            staff=row.staff,
            watched=row.watched,
            first_seen=row.first,
            last_seen=row.last,
            cameras=tuple(dict.fromkeys(r.camera for r in rows)),
            tracklets=len(rows),
            crop=self._crop(best.crop if best else None),
        )
        return IdentityDetail(summary, [self._visit(r) for r in rows])

    def history(self, limit: int, before: int | None = None) -> list[Change]:
        """What people said, the newest first, and before the change of this number."""
        if not inspect(self._engine).has_table(changes.name):  # of an older version
            return []
        with self._engine.connect() as connection:
            return history(connection, limit, before)

    def tracks(self, camera: str) -> Iterator[TrackRow]:
        """The whole path of every tracklet of a camera, in order of their start."""
        t = tracklets.c
        query = (
            select(t.id, t.run, t.track, t.identity, t.decided_at, updates.c.path)
            .join(updates, updates.c.tracklet == t.id)
            .where(t.camera == camera)
            .order_by(t.start, t.id, updates.c.seq)
        )
        with self._engine.connect() as connection:
            head: Any = None
            parts: list[TrackPath] = []
            for r in connection.execution_options(yield_per=1000).execute(query):
                if head is not None and r.id != head.id:
                    yield _track(camera, head, parts)
                    parts = []
                head = r
                parts.append(unpack_path(r.path))
            if head is not None:
                yield _track(camera, head, parts)

    def cameras(self) -> list[CameraRecord]:
        """Every camera that ever said something, by name."""
        by_camera = defaultdict(list)
        with self._engine.connect() as connection:
            for r in connection.execute(select(runs).order_by(runs.c.camera, runs.c.run)):
                by_camera[r.camera].append(r)
        return [
            CameraRecord(
                camera=camera,
                runs=len(rows),
                frames=sum(r.frames for r in rows),
                dropped=sum(r.dropped for r in rows),
                state=CameraState(rows[-1].state),
                last_time=max((r.time for r in rows if r.time is not None), default=math.nan),
                updates=sum(r.updates for r in rows),
            )
            for camera, rows in by_camera.items()
        ]

    def runs(self) -> list[RunState]:
        """How far each run of each camera is committed."""
        return load_runs(self._engine)

    def arrivals(self, since: float, until: float) -> Iterator[Received]:
        """All that was received of who was in view between two times, as it became known."""
        return arrivals(self._engine, since, until)

    def pictures(self) -> Iterator[StoredCrop]:
        """All crops that are kept, by tracklet and time."""
        t, kept = tracklets.c, self._kept_crops().c
        query = (
            select(tracklets, kept.file, kept.time, kept.quality.label("of_crop"), updates.c.path)
            .join(tracklets, t.id == kept.tracklet)
            .join(updates, (updates.c.tracklet == t.id) & (updates.c.seq == kept.seq))
            .order_by(t.id, kept.seq)
        )
        confirmed = self._confirmed()
        with self._engine.connect() as connection:
            for r in connection.execution_options(yield_per=1000).execute(query):
                frames = unpack_path(r.path).frames
                yield StoredCrop(
                    key=TrackletKey(r.camera, r.run, r.track),
                    tracklet=r.id,
                    file=self.crops / r.file,
                    time=r.time,
                    frame=int(frames[-1]) if len(frames) else 0,
                    quality=r.of_crop,
                    fingerprint=r.fingerprint,
                    identity=r.identity,
                    confirmed=confirmed.get(r.id),
                )

    def unembedded(self, fingerprint: str, recent: int) -> list[Unembedded]:
        """Tracklets that a gallery of this encoder needs and has no embedding of; see
        `pipeline.store.embeddings`.
        """
        return unembedded(self._engine, self.crops, fingerprint, recent)

    def count_embedded(self, fingerprint: str, recent: int) -> tuple[int, int]:
        """How many tracklets the matcher needs, and how many this encoder has embedded."""
        if not inspect(self._engine).has_table(embeddings.name):  # of an older version
            return 0, 0
        return count_embedded(self._engine, fingerprint, recent)

    def counts(self) -> StoreCounts:
        """How much there is."""
        t, u = tracklets.c, updates.c
        with self._engine.connect() as connection:

            def count(query: Select[Any]) -> int:
                return int(connection.scalar(query) or 0)

            rows = count(select(func.count()).select_from(updates))
            distinct = select(t.camera, t.run, t.track, u.seq).select_from(
                updates.join(tracklets, u.tracklet == t.id)
            )
            different = count(select(func.count()).select_from(distinct.distinct().subquery()))
            spans = select(func.max(u.seq) - func.min(u.seq) + 1 - func.count()).group_by(
                u.tracklet
            )
            skipped_seqs = count(select(func.sum(spans.subquery().c[0])))
            skipped_numbers = count(select(func.sum(runs.c.number - runs.c.messages)))
            return StoreCounts(
                updates=rows,
                tracklets=count(select(func.count()).select_from(tracklets)),
                identities=count(select(func.count(t.identity.distinct()))),
                undecided=count(
                    select(func.count())
                    .select_from(tracklets)
                    .where(t.identity.is_(None), t.crops > 0)
                ),
                duplicates=rows - different,
                missing=max(skipped_seqs, skipped_numbers),
            )

    def _kept_crops(self) -> FromClause:
        """The table of crops; in a store of version 1, which has none, the best ones."""
        if inspect(self._engine).has_table(crops.name):
            return crops
        t = tracklets.c
        return (
            select(
                t.id.label("tracklet"),
                t.seq,
                t.crop.label("file"),
                t.end.label("time"),
                t.thumbnail_quality.label("quality"),
            )
            .where(t.crop.is_not(None))
            .subquery()
        )

    def _confirmed(self) -> dict[int, int]:
        """By tracklet the identity that a person said last; else the one that it has, where a
        person said that another one shows the same.
        """
        found: dict[int, int] = {}
        t, c, tables = tracklets.c, corrections.c, inspect(self._engine)
        with self._engine.connect() as connection:
            if tables.has_table(links.name):
                alike = select(t.id, t.identity).where(t.id.in_(said_the_same()))
                found |= {r.id: r.identity for r in connection.execute(alike)}
            if tables.has_table(corrections.name):
                said = select(c.tracklet, c.identity).order_by(c.time, c.id)
                found |= {r.tracklet: r.identity for r in connection.execute(said)}
        return found

    def _visit(self, row: Any) -> Visit:
        return Visit(
            key=TrackletKey(row.camera, row.run, row.track),
            camera=row.camera,
            start=row.start,
            end=row.end,
            decision=row.decision,
            similarity=nan(row.similarity),
            runner_up=nan(row.runner_up),
            crop=self._crop(row.crop),
            crops=row.crops,
        )

    def _crop(self, name: str | None) -> Path | None:
        return self.crops / name if name else None


def _summaries() -> Select[Any]:
    t = tracklets.c
    return (
        select(
            identities.c.id,
            identities.c.name,
            identities.c.staff,
            identities.c.watched,
            func.min(t.start).label("first"),
            func.max(t.end).label("last"),
            func.count().label("visits"),
        )
        .join(tracklets, t.identity == identities.c.id)
        .group_by(identities.c.id, identities.c.name, identities.c.staff, identities.c.watched)
        .order_by(identities.c.id)
    )


def _best_crops() -> Select[Any]:
    """The best crop of each identity."""
    t = tracklets.c
    rank = func.row_number().over(
        partition_by=t.identity, order_by=(t.thumbnail_quality.desc(), t.id)
    )
    ranked = (
        select(t.identity, t.crop, rank.label("rank"))
        .where(t.identity.is_not(None), t.crop.is_not(None))
        .subquery()
    )
    return select(ranked.c.identity, ranked.c.crop).where(ranked.c.rank == 1)


def _track(camera: str, row: Any, parts: list[TrackPath]) -> TrackRow:
    return TrackRow(
        key=TrackletKey(camera, row.run, row.track),
        identity=row.identity,
        decided_at=row.decided_at,
        times=np.concatenate([p.times for p in parts]),
        frames=np.concatenate([p.frames for p in parts]),
        boxes=np.concatenate([p.boxes for p in parts]),
    )


def _decided(row: Any) -> Decided:
    reason = json.loads(row.reason)
    return Decided(
        time=row.time,
        decision=row.decision,
        identity=row.identity,
        former=row.former,
        rule=str(reason.pop("rule", "")),
        confidence=float(reason.pop(CONFIDENCE, math.nan)),
        terms={name: float(value) for name, value in reason.items()},
        runner_up=nan(row.runner_up),
    )
