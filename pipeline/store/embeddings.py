"""What another encoder makes of the crops that are kept: how a gallery changes its encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, exists, func, or_, select
from sqlalchemy import insert as plain_insert

from pipeline.records import FloatArray
from pipeline.store.packing import pack_embedding
from pipeline.store.schema import crops, embeddings, identities, meta, tracklets


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A tracklet that the matcher needs and whose crops the encoder has not seen.

    ``crops`` are its kept pictures, each with its quality; there may be none.
    """

    tracklet: int
    crops: tuple[tuple[Path, float], ...]


def unembedded(engine: Engine, folder: Path, fingerprint: str, recent: int) -> list[Unembedded]:
    """Those that stand for an identity in the gallery, are still worked on, or are among the
    ``recent`` newest, and have no embedding by this encoder.
    """
    query = (
        select(tracklets.c.id, crops.c.file, crops.c.quality)
        .outerjoin(crops, crops.c.tracklet == tracklets.c.id)
        .where(_needed(recent), ~_embedded(fingerprint))
        .order_by(tracklets.c.id, crops.c.seq)
    )
    found: defaultdict[int, list[tuple[Path, float]]] = defaultdict(list)
    with engine.connect() as connection:
        for row in connection.execute(query):
            own = found[row.id]
            if row.file is not None:
                own.append((folder / row.file, row.quality))
    return [Unembedded(tracklet, tuple(own)) for tracklet, own in found.items()]


def count_embedded(engine: Engine, fingerprint: str, recent: int) -> tuple[int, int]:
    """How many tracklets the matcher needs, and how many of them this encoder has embedded."""
    needed = select(func.count()).select_from(tracklets).where(_needed(recent))
    with engine.connect() as connection:
        return (
            connection.scalar(needed) or 0,
            connection.scalar(needed.where(_embedded(fingerprint))) or 0,
        )


_LIKENESS = "calibration", "sameness", "whitening"  # facts of the whole store


def keep_embeddings(
    connection: Connection, fingerprint: str, found: Mapping[int, FloatArray]
) -> None:
    """Writes embeddings by the number of their tracklets; those there were are replaced."""
    own = embeddings.c.fingerprint == fingerprint
    connection.execute(delete(embeddings).where(own, embeddings.c.tracklet.in_(found)))
    rows = [
        {"tracklet": tracklet, "fingerprint": fingerprint, "embedding": pack_embedding(vector)}
        for tracklet, vector in found.items()
    ]
    connection.execute(plain_insert(embeddings), rows)


def forget_learned(connection: Connection) -> None:
    """What was learned of the former encoder's similarities says nothing about another's."""
    connection.execute(delete(meta).where(meta.c.key.in_((*_LIKENESS, "lists"))))


def forget_likeness(connection: Connection) -> None:
    """How embeddings are compared is learned from those of few people, and may show one of them."""
    connection.execute(delete(meta).where(meta.c.key.in_(_LIKENESS)))


def _needed(recent: int) -> ColumnElement[bool]:
    t = tracklets.c
    in_gallery = exists().where(identities.c.id == t.identity, identities.c.in_gallery)
    newest = (
        select(t.id)
        .where(~t.open, t.identity.is_not(None))
        .order_by(t.end.desc(), t.camera.desc(), t.run.desc(), t.track.desc())
        .limit(recent)
    )
    return and_(t.crops > 0, or_(and_(t.prototype, in_gallery), t.open, t.id.in_(newest)))


def _embedded(fingerprint: str) -> ColumnElement[bool]:
    t = tracklets.c
    later = exists().where(embeddings.c.tracklet == t.id, embeddings.c.fingerprint == fingerprint)
    return or_(t.fingerprint == fingerprint, later)
