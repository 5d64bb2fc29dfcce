"""The tables of the store, version 5.

===============  =================================================================================
``meta``         facts about the whole store, as text: ``schema``, ``fingerprint``, ``tick``, ...
``runs``         how far each run of each camera's worker is committed, and what it said of itself
``tracklets``    the newest state of each tracklet, and the identity it has now
``updates``      every update exactly as it came, with its part of the path
``identities``   people; one that lost all its tracklets keeps its row and its number
``events``       every decision ever taken; the newest of a tracklet is the one that holds
``crops``        the pictures that are kept of each tracklet, the best one among them
``changes``      each thing that people said as a whole, with what taking it back needs
``corrections``  what that says of tracklets; the newest of a tracklet is the one that holds
``links``        of which two tracklets people said that they are one person, or two
``embeddings``   of tracklets whose updates another encoder embedded: what this one makes of their
                 kept crops
``audit``        what people did: who, when, and to whom; nothing of what they saw
``forgotten``    keys of tracklets that were forgotten while their camera still saw them
===============  =================================================================================

``tracklets.open`` marks those that the matcher still works on, ``tracklets.prototype`` those whose
embedding stands for their identity in the gallery: with ``meta.tick`` they are the matcher's state.

How each version came from the one before stands in `pipeline.store.migrations`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

SCHEMA_VERSION = 5

# Numbers of 64 bits, and text in the order of its bytes: as SQLite has them anyway.
WHOLE = Integer().with_variant(BigInteger(), "postgresql")
TEXT = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("camera", TEXT, primary_key=True),
    Column("run", TEXT, primary_key=True),
    Column("number", WHOLE, nullable=False),  # the last message committed
    Column("messages", WHOLE, nullable=False),  # how many came; fewer where some were dropped
    Column("updates", WHOLE, nullable=False),
    Column("time", Float),  # the capture time covered
    Column("state", TEXT, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("frames", WHOLE, nullable=False),
    Column("frame", WHOLE, nullable=False),
    Column("dropped", WHOLE, nullable=False),
    Column("closed_at", Float),  # event time at which its tracklets ended
)


def _flagged(name: str, flag: Column[Any]) -> None:
    """An index of the rows that have a flag; SQLite finds it only in the words of the query."""
    which = text(f"{flag.name} = 1")
    Index(name, flag.table.c.id, sqlite_where=which, postgresql_where=flag)


def _filled(name: str, column: Column[Any]) -> None:
    """An index of the rows that have a value."""
    which = column.is_not(None)
    Index(name, column, sqlite_where=which, postgresql_where=which)


tracklets = Table(
    "tracklets",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("camera", TEXT, nullable=False),
    Column("run", TEXT, nullable=False),
    Column("track", WHOLE, nullable=False),
    Column("seq", WHOLE, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("crops", WHOLE, nullable=False),
    Column("quality", Float, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("fingerprint", TEXT, nullable=False),
    Column("thumbnail_quality", Float, nullable=False),  # of the best crop
    Column("crop", TEXT),  # file of the best crop, relative to the folder of crops
    Column("open", Boolean, nullable=False),
    Column("prototype", Boolean, nullable=False),
    Column("identity", WHOLE, ForeignKey("identities.id")),
    Column("decision", TEXT),
    Column("similarity", Float),
    Column("runner_up", Float),
    Column("decided_at", Float),
    Column("rival", WHOLE),  # the identity that it nearly had
    Column("doubt", Float),  # 0 to 1; None: no question for a person
    UniqueConstraint("camera", "run", "track"),
)
Index("tracklets_by_identity", tracklets.c.identity, tracklets.c.start)
Index("tracklets_by_camera", tracklets.c.camera, tracklets.c.start)
_flagged("tracklets_open", tracklets.c.open)
_flagged("tracklets_prototype", tracklets.c.prototype)
_filled("tracklets_by_doubt", tracklets.c.doubt)

updates = Table(
    "updates",
    metadata,
    Column("tracklet", WHOLE, ForeignKey("tracklets.id"), primary_key=True),
    Column("seq", WHOLE, primary_key=True),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("crops", WHOLE, nullable=False),
    Column("quality", Float, nullable=False),
    Column("embedding", LargeBinary),  # D x float16
    Column("ended", Boolean, nullable=False),
    Column("known_at", Float, nullable=False),  # event time from which decisions may use it
    Column("path", LargeBinary, nullable=False),  # see `pipeline.store.packing`
)

identities = Table(
    "identities",
    metadata,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("name", TEXT),
    Column("created_at", Float, nullable=False),
    Column("in_gallery", Boolean, nullable=False),
    Column("staff", Boolean, nullable=False, server_default=false()),
    Column("watched", TEXT),  # why somebody watches for this person; None: nobody does
)
_flagged("identities_in_gallery", identities.c.in_gallery)
_flagged("identities_staff", identities.c.staff)
_filled("identities_watched", identities.c.watched)

events = Table(
    "events",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("tracklet", WHOLE, ForeignKey("tracklets.id"), nullable=False, index=True),
    Column("time", Float, nullable=False),
    Column("decision", TEXT, nullable=False),
    Column("identity", WHOLE, ForeignKey("identities.id")),  # None: undecided again
    Column("former", WHOLE, ForeignKey("identities.id")),
    Column("similarity", Float),
    Column("runner_up", Float),
    Column("reason", TEXT, nullable=False),  # JSON: the terms of the score
)

crops = Table(
    "crops",
    metadata,
    Column("tracklet", WHOLE, ForeignKey("tracklets.id"), primary_key=True),
    Column("seq", WHOLE, primary_key=True),  # of the update that brought it
    Column("file", TEXT, nullable=False),  # relative to the folder of crops
    Column("time", Float, nullable=False),  # the end of that update, just after it was taken
    Column("quality", Float, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("time", Float, nullable=False),  # when it was said, by the clock
    Column("author", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),  # see `pipeline.store.rows.Saying`
    Column("identity", WHOLE, ForeignKey("identities.id"), nullable=False, index=True),
    Column("other", WHOLE, ForeignKey("identities.id"), index=True),  # the second of two
    Column("tracklets", WHOLE, nullable=False),  # how many it says something of
    Column("before", TEXT),  # JSON: what taking it back needs; None: it cannot be
    Column("undoes", WHOLE, ForeignKey("changes.id"), unique=True),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("time", Float, nullable=False),  # when it was said, by the clock
    Column("author", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),  # see `pipeline.store.rows.Correction`
    Column("identity", WHOLE, ForeignKey("identities.id"), nullable=False),
    Column("tracklet", WHOLE, ForeignKey("tracklets.id"), nullable=False, index=True),
    Column("change", WHOLE, ForeignKey("changes.id"), index=True),
)

links = Table(
    "links",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("change", WHOLE, ForeignKey("changes.id"), nullable=False, index=True),
    Column("tracklet", WHOLE, ForeignKey("tracklets.id"), nullable=False, index=True),  # asked of
    Column("other", WHOLE, ForeignKey("tracklets.id"), nullable=False, index=True),
    Column("same", Boolean, nullable=False),  # whether both show one person
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("tracklet", WHOLE, ForeignKey("tracklets.id"), primary_key=True),
    Column("fingerprint", TEXT, primary_key=True),  # of the encoder
    Column("embedding", LargeBinary, nullable=False),  # D x float16
)

audit = Table(
    "audit",
    metadata,
    Column("id", WHOLE, primary_key=True),
    Column("time", Float, nullable=False),  # by the clock
    Column("author", TEXT, nullable=False),
    Column("action", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),  # JSON
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("camera", TEXT, primary_key=True),
    Column("run", TEXT, primary_key=True),
    Column("track", WHOLE, primary_key=True),
)
