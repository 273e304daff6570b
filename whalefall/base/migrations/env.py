"""Alembic's entry point: runs the revisions on the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection


def run_revisions(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=False)
    context.run_migrations()


run_revisions(context.config.attributes["connection"])
