"""A gallery can change its encoder, and people can merge, split, name and forget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.store.schema import TEXT, WHOLE

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Nothing of it is there yet."""
    op.create_table(
        "embeddings",
        sa.Column("tracklet", WHOLE, sa.ForeignKey("tracklets.id"), primary_key=True),
        sa.Column("fingerprint", TEXT, primary_key=True),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
    )
    op.create_table(
        "forgotten",
        sa.Column("camera", TEXT, primary_key=True),
        sa.Column("run", TEXT, primary_key=True),
        sa.Column("track", WHOLE, primary_key=True),
    )


def downgrade() -> None:
    """The audit is lost, and what other encoders made of the crops."""
    for table in ("forgotten", "audit", "embeddings"):
        op.drop_table(table)
