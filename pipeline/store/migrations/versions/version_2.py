"""Several crops of a tracklet are kept, and people can say who is on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.store.schema import TEXT, WHOLE

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """The best crops become the first that are kept."""
    op.create_table(
        "crops",
        sa.Column("tracklet", WHOLE, sa.ForeignKey("tracklets.id"), primary_key=True),
        sa.Column("seq", WHOLE, primary_key=True),
        sa.Column("file", TEXT, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
    )
    op.create_table(
        "corrections",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("identity", WHOLE, sa.ForeignKey("identities.id"), nullable=False),
        sa.Column("tracklet", WHOLE, sa.ForeignKey("tracklets.id"), nullable=False, index=True),
    )
    op.execute(
        "INSERT INTO crops (tracklet, seq, file, time, quality) "
        'SELECT id, seq, crop, "end", thumbnail_quality FROM tracklets WHERE crop IS NOT NULL'
    )


def downgrade() -> None:
    """What people said is lost, and that there are other crops than the best."""
    op.drop_table("corrections")
    op.drop_table("crops")
