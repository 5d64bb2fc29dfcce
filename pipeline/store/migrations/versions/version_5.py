"""People can say of two tracklets that they are one person, or two."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.store.schema import WHOLE

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Nobody has said so yet."""
    op.create_table(
        "links",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("change", WHOLE, sa.ForeignKey("changes.id"), nullable=False, index=True),
        sa.Column("tracklet", WHOLE, sa.ForeignKey("tracklets.id"), nullable=False, index=True),
        sa.Column("other", WHOLE, sa.ForeignKey("tracklets.id"), nullable=False, index=True),
        sa.Column("same", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """What was said is lost, and its lines in the log with it, which no former version reads."""
    op.drop_table("links")
    said = "SELECT id FROM changes WHERE kind IN ('same', 'different')"
    op.execute(f"DELETE FROM changes WHERE undoes IN ({said})")  # noqa: S608 - words of our own
    op.execute("DELETE FROM changes WHERE kind IN ('same', 'different')")
