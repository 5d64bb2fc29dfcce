"""Corrections can be taken back, people marked, and the matcher's doubts asked about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.store.schema import TEXT, WHOLE

revision = "4"
down_revision = "3"

_FLAGS = (
    ("tracklets_open", "tracklets", "open"),
    ("tracklets_prototype", "tracklets", "prototype"),
    ("identities_in_gallery", "identities", "in_gallery"),
)
_NEW_FLAGS = (("identities_staff", "identities", "staff"),)
_FILLED = (
    ("identities_watched", "identities", "watched"),
    ("tracklets_by_doubt", "tracklets", "doubt"),
)


def upgrade() -> None:
    """Also the indexes of flags, in the words in which SQLite finds them."""
    op.create_table(
        "changes",
        sa.Column("id", WHOLE, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("identity", WHOLE, sa.ForeignKey("identities.id"), nullable=False, index=True),
        sa.Column("other", WHOLE, sa.ForeignKey("identities.id"), index=True),
        sa.Column("tracklets", WHOLE, nullable=False),
        sa.Column("before", TEXT),
        sa.Column("undoes", WHOLE, sa.ForeignKey("changes.id"), unique=True),
    )
    op.add_column(
        "identities", sa.Column("staff", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("identities", sa.Column("watched", TEXT))
    op.add_column("tracklets", sa.Column("rival", WHOLE))
    op.add_column("tracklets", sa.Column("doubt", sa.Float))
    with op.batch_alter_table("corrections") as table:
        table.add_column(sa.Column("change", WHOLE))
        table.create_foreign_key("corrections_change_fkey", "changes", ["change"], ["id"])
    op.create_index("ix_corrections_change", "corrections", ["change"])
    for name, table_name, _ in _FLAGS:
        op.drop_index(name, table_name)
    for name, table_name, flag in (*_FLAGS, *_NEW_FLAGS):
        _index(name, table_name, "id", f"{flag} = 1", flag)
    for name, table_name, column in _FILLED:
        _index(name, table_name, column, f"{column} IS NOT NULL", f"{column} IS NOT NULL")


def downgrade() -> None:
    """The marks, the doubts and the log of corrections are lost, so none can be taken back."""
    for name, table_name, _ in (*_FLAGS, *_NEW_FLAGS, *_FILLED):
        op.drop_index(name, table_name)
    op.drop_index("ix_corrections_change", "corrections")
    with op.batch_alter_table("corrections") as table:
        table.drop_column("change")  # and that it refers to what comes next
    op.drop_table("changes")
    for table_name, column in (
        ("tracklets", "doubt"),
        ("tracklets", "rival"),
        ("identities", "watched"),
        ("identities", "staff"),
    ):
        op.drop_column(table_name, column)
    for name, table_name, flag in _FLAGS:
        _index(name, table_name, "id", flag, flag)


def _index(name: str, table: str, column: str, sqlite: str, postgresql: str) -> None:
    op.create_index(
        name,
        table,
        [column],
        sqlite_where=sa.text(sqlite),
        postgresql_where=sa.text(postgresql),
    )
