"""The first version: tracklets, their updates, identities and decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.store.schema import TEXT, WHOLE

revision = "1"
down_revision = None


def upgrade() -> None:
    """Makes the tables of an empty database."""
    op.create_table(
        "meta",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("camera", TEXT, primary_key=True),
        sa.Column("run", TEXT, primary_key=True),
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("messages", WHOLE, nullable=False),
        sa.Column("updates", WHOLE, nullable=False),
        sa.Column("time", sa.Float),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("frames", WHOLE, nullable=False),
        sa.Column("frame", WHOLE, nullable=False),
        sa.Column("dropped", WHOLE, nullable=False),
        sa.Column("closed_at", sa.Float),
    )
    op.create_table(
        "identities",
        sa.Column("id", WHOLE, primary_key=True, autoincrement=False),
        sa.Column("name", TEXT),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("in_gallery", sa.Boolean, nullable=False),
    )
    op.create_table(
        "tracklets",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("camera", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("track", WHOLE, nullable=False),
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("crops", WHOLE, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("thumbnail_quality", sa.Float, nullable=False),
        sa.Column("crop", TEXT),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("prototype", sa.Boolean, nullable=False),
        sa.Column("identity", WHOLE, sa.ForeignKey("identities.id")),
        sa.Column("decision", TEXT),
        sa.Column("similarity", sa.Float),
        sa.Column("runner_up", sa.Float),
        sa.Column("decided_at", sa.Float),
        sa.UniqueConstraint("camera", "run", "track"),
    )
    op.create_table(
        "updates",
        sa.Column("tracklet", WHOLE, sa.ForeignKey("tracklets.id"), primary_key=True),
        sa.Column("seq", WHOLE, primary_key=True),
        sa.Column("start", sa.Float, nullable=False),
        sa.Column("end", sa.Float, nullable=False),
        sa.Column("crops", WHOLE, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("embedding", sa.LargeBinary),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("known_at", sa.Float, nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("tracklet", WHOLE, sa.ForeignKey("tracklets.id"), nullable=False, index=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("decision", TEXT, nullable=False),
        sa.Column("identity", WHOLE, sa.ForeignKey("identities.id")),
        sa.Column("former", WHOLE, sa.ForeignKey("identities.id")),
        sa.Column("similarity", sa.Float),
        sa.Column("runner_up", sa.Float),
        sa.Column("reason", TEXT, nullable=False),
    )
    op.create_index("tracklets_by_identity", "tracklets", ["identity", "start"])
    op.create_index("tracklets_by_camera", "tracklets", ["camera", "start"])
    for name, table, flag in (
        ("tracklets_open", "tracklets", "open"),
        ("tracklets_prototype", "tracklets", "prototype"),
        ("identities_in_gallery", "identities", "in_gallery"),
    ):
        where = sa.text(flag)
        op.create_index(name, table, ["id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """There is nothing before it."""
    raise NotImplementedError
