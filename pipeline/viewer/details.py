"""What the store knows of a few identities or tracklets: names, pictures, decisions.

Every query is for given numbers and by an index, however large the store is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, Select, and_, exists, func, select

from pipeline.records import Path as TrackPath
from pipeline.records import TrackletKey
from pipeline.store import CONFIDENCE, Change, Correction
from pipeline.store.changes import history
from pipeline.store.packing import unpack_path
from pipeline.store.schema import (
    corrections,
    crops,
    events,
    identities,
    links,
    meta,
    tracklets,
    updates,
)
from pipeline.store.whose import given_to


class CropName(NamedTuple):
    """A kept picture: the number of its tracklet, and of the update that brought it."""

    tracklet: int
    seq: int


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision on a tracklet, in event time; None where there was nothing to compare with.

    ``terms`` are the parts of the score by name, where the matcher gave them.
    """

    time: float
    decision: str
    identity: int | None
    former: int | None
    similarity: float | None
    runner_up: float | None
    rule: str
    terms: Mapping[str, float]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """``time`` is about when it was taken, ``quality`` in [0, 1]."""

    name: CropName
    time: float
    quality: float


@dataclass(frozen=True, slots=True)
class TrackletDetail:
    """A tracklet: its decisions, the one that holds last; pictures in order of time; and who
    confirmed that it shows its identity, if anybody did.
    """

    key: TrackletKey
    open: bool
    crops: int
    decisions: Sequence[Decided]
    pictures: Sequence[KeptPicture]
    best: CropName | None
    confirmed_by: str | None


class Present(NamedTuple):
    """Somebody in view, as far as the matcher has decided."""

    tracklet: int
    camera: str
    identity: int
    start: float
    end: float


class Marks(NamedTuple):
    """What people say of an identity: its name, whether it is staff, and why it is watched for
    (None: it is not).
    """

    name: str | None
    staff: bool
    watched: str | None


class Doubtful(NamedTuple):
    """A tracklet on which the matcher nearly decided otherwise; ``doubt`` in (0, 1]. ``rival`` is
    the identity that it nearly had.
    """

    tracklet: int
    key: TrackletKey
    identity: int
    decision: str
    similarity: float | None
    runner_up: float | None
    rival: int | None
    doubt: float


class Stay(NamedTuple):
    """A tracklet: whose it is (None: not decided), where, and from when to when."""

    identity: int | None
    camera: str
    start: float
    end: float


class Details:
    """Queries. For any number of threads."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder.resolve()

    def fingerprint(self) -> str:
        """Of the encoder whose embeddings are compared; empty before the first."""
        query = select(meta.c.value).where(meta.c.key == "fingerprint")
        with self._engine.connect() as connection:
            return connection.scalar(query) or ""

    def names(self, numbers: Collection[int]) -> dict[int, str]:
        """Of the identities that have one."""
        i = identities.c
        query = select(i.id, i.name).where(i.id.in_(numbers), i.name.is_not(None))
        return {row.id: row.name for row in self._all(query)}

    def marks(self, numbers: Collection[int]) -> dict[int, Marks]:
        """Of these identities."""
        i = identities.c
        query = select(i.id, i.name, i.staff, i.watched).where(i.id.in_(numbers))
        return {row.id: Marks(row.name, row.staff, row.watched) for row in self._all(query)}

    def staff(self) -> list[int]:
        """The identities that belong to the house."""
        query = select(identities.c.id).where(identities.c.staff)
        return [row.id for row in self._all(query)]

    def watched(self) -> list[int]:
        """The identities that somebody watches for."""
        query = select(identities.c.id).where(identities.c.watched.is_not(None))
        return [row.id for row in self._all(query)]

    def doubtful(self, limit: int) -> list[Doubtful]:
        """Tracklets about which no person said anything, those nearest to the line first."""
        return self._doubtful(tracklets.c.doubt.is_not(None), limit)

    def doubt(self, tracklet: int) -> Doubtful | None:
        """The same of one tracklet; None where there is none, or a person said something."""
        found = self._doubtful(tracklets.c.id == tracklet, 1)
        return found[0] if found else None

    def history(self, limit: int, before: int | None) -> list[Change]:
        """What people said, the newest first, and before the change of this number."""
        with self._engine.connect() as connection:
            return history(connection, limit, before)

    def best_crops(self, numbers: Collection[int]) -> dict[int, CropName]:
        """The best picture of each identity."""
        t, c = tracklets.c, crops.c
        rank = func.row_number().over(
            partition_by=t.identity, order_by=(t.thumbnail_quality.desc(), t.id)
        )
        ranked = (
            select(t.identity, t.id, t.crop, rank.label("rank"))
            .where(t.identity.in_(numbers), t.crop.is_not(None))
            .subquery()
        )
        query = (
            select(ranked.c.identity, c.tracklet, c.seq)
            .join(crops, and_(c.tracklet == ranked.c.id, c.file == ranked.c.crop))
            .where(ranked.c.rank == 1)
        )
        return {row.identity: CropName(row.tracklet, row.seq) for row in self._all(query)}

    def became(self, identity: int) -> int | None:
        """Who the last tracklet that left an identity was given to; None where there was none."""
        with self._engine.connect() as connection:
            return given_to(connection, identity)

    def tracklets(self, numbers: Sequence[int]) -> dict[int, TrackletDetail]:
        """By their numbers."""
        t = tracklets.c
        decisions, pictures = self._decisions(numbers), self._pictures(numbers)
        confirmed = self._confirmed(numbers)
        found = {}
        for row in self._all(select(tracklets).where(t.id.in_(numbers))):
            own = pictures[row.id]
            found[row.id] = TrackletDetail(
                key=TrackletKey(row.camera, row.run, row.track),
                open=row.open,
                crops=row.crops,
                decisions=decisions[row.id],
                pictures=[picture for _, picture in own],
                best=next((p.name for file, p in own if file == row.crop), None),
                confirmed_by=confirmed.get((row.id, row.identity)),
            )
        return found

    def crop_file(self, name: CropName) -> Path | None:
        """The file of a picture; None where there is none, or it lies outside of their folder."""
        c = crops.c
        query = select(c.file).where(c.tracklet == name.tracklet, c.seq == name.seq)
        with self._engine.connect() as connection:
            file: str | None = connection.scalar(query)
        if file is None:
            return None
        path = (self._folder / file).resolve()
        return path if path.is_relative_to(self._folder) and path.is_file() else None

    def stay(self, tracklet: int) -> Stay | None:
        """One tracklet by its number; None where there is none."""
        t = tracklets.c
        rows = self._all(select(t.identity, t.camera, t.start, t.end).where(t.id == tracklet))
        return Stay(*rows[0]) if rows else None

    def path(self, tracklet: int, start: float, end: float) -> list[TrackPath]:
        """The parts of a tracklet's path that reach into an interval, in order."""
        u = updates.c
        query = select(u.path).where(u.tracklet == tracklet, u.end >= start).order_by(u.seq)
        found = []
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=100).execute(query):
                part = unpack_path(row.path)
                if len(part) and part.times[0] > end:
                    break
                found.append(part)
        return found

    def present(self) -> list[Present]:
        """Who is in view now, the last come first."""
        t = tracklets.c
        query = (
            select(t.id, t.camera, t.identity, t.start, t.end)
            .where(t.open, ~t.ended, t.identity.is_not(None))
            .order_by(t.start.desc(), t.id)
        )
        return [Present(*row) for row in self._all(query)]

    def identities_in_view(self) -> dict[TrackletKey, int]:
        """Of the tracklets that the matcher still works on, where it has decided."""
        t = tracklets.c
        query = select(t.camera, t.run, t.track, t.identity).where(t.open, t.identity.is_not(None))
        return {TrackletKey(r.camera, r.run, r.track): r.identity for r in self._all(query)}

    def keys(self, numbers: Collection[int]) -> dict[int, TrackletKey]:
        """Of tracklets, by their numbers."""
        t = tracklets.c
        query = select(t.id, t.camera, t.run, t.track).where(t.id.in_(numbers))
        return {row.id: TrackletKey(row.camera, row.run, row.track) for row in self._all(query)}

    def _doubtful(self, which: ColumnElement[bool], limit: int) -> list[Doubtful]:
        t = tracklets.c
        said = exists().where(corrections.c.tracklet == t.id)
        answered = exists().where(links.c.tracklet == t.id)
        columns = (t.decision, t.similarity, t.runner_up, t.rival, t.doubt)
        query = (
            select(t.id, t.camera, t.run, t.track, t.identity, *columns)
            .where(which, t.doubt.is_not(None), t.identity.is_not(None), ~said, ~answered)
            .order_by(t.doubt.desc(), t.id)
            .limit(limit)
        )
        return [
            Doubtful(
                row.id,
                TrackletKey(row.camera, row.run, row.track),
                row.identity,
                row.decision,
                row.similarity,
                row.runner_up,
                row.rival,
                row.doubt,
            )
            for row in self._all(query)
        ]

    def _decisions(self, numbers: Sequence[int]) -> defaultdict[int, list[Decided]]:
        found: defaultdict[int, list[Decided]] = defaultdict(list)
        query = select(events).where(events.c.tracklet.in_(numbers)).order_by(events.c.id)
        for row in self._all(query):
            reason = json.loads(row.reason)
            rule = reason.pop("rule", "")
            confidence = reason.pop(CONFIDENCE, None)
            found[row.tracklet].append(
                Decided(
                    time=row.time,
                    decision=row.decision,
                    identity=row.identity,
                    former=row.former,
                    similarity=row.similarity,
                    runner_up=row.runner_up,
                    rule=str(rule),
                    terms={k: v for k, v in reason.items() if isinstance(v, (int, float))},
                    confidence=confidence,
                )
            )
        return found

    def _pictures(self, numbers: Sequence[int]) -> defaultdict[int, list[tuple[str, KeptPicture]]]:
        """By tracklet, each with its file."""
        c = crops.c
        found: defaultdict[int, list[tuple[str, KeptPicture]]] = defaultdict(list)
        query = select(crops).where(c.tracklet.in_(numbers)).order_by(c.tracklet, c.time, c.seq)
        for row in self._all(query):
            picture = KeptPicture(CropName(row.tracklet, row.seq), row.time, row.quality)
            found[row.tracklet].append((row.file, picture))
        return found

    def _confirmed(self, numbers: Sequence[int]) -> dict[tuple[int, int], str]:
        """The last who confirmed, by tracklet and identity."""
        c = corrections.c
        query = (
            select(c.tracklet, c.identity, c.author)
            .where(c.tracklet.in_(numbers), c.kind == Correction.CONFIRM.value)
            .order_by(c.time, c.id)
        )
        return {(row.tracklet, row.identity): row.author for row in self._all(query)}

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(query).all()
