"""Fixed limits of single API keys; null where a key has none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("requests_per_minute", sa.BigInteger))
    op.add_column("api_keys", sa.Column("tokens_per_minute", sa.BigInteger))
    op.add_column("api_keys", sa.Column("concurrency", sa.BigInteger))
