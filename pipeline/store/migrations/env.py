"""What Alembic runs: the migrations, in the transaction of `pipeline.store.versions.migrate`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, update

from pipeline.store.schema import meta


def _keep_in_step(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Programs look for the version in our own table."""
    version = step.up_revision_id if step.is_upgrade else step.down_revision_ids[0]
    if not step.is_stamp:
        assert ctx.connection is not None
        ctx.connection.execute(update(meta).where(meta.c.key == "schema").values(value=version))


connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, on_version_apply=_keep_in_step)
with context.begin_transaction():
    context.run_migrations()
