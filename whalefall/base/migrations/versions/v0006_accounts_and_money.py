"""What a key may be used for, and how a letter's delivery goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("models", sa.Text))
    op.add_column("api_keys", sa.Column("networks", sa.Text))
    op.add_column("api_keys", sa.Column("monthly_nanos", sa.BigInteger))
    op.add_column("holds", sa.Column("api_key_id", sa.Text))
    op.add_column("mails", sa.Column("num_tries", sa.Integer, nullable=False, server_default="0"))
    op.add_column("mails", sa.Column("next_try_at", sa.BigInteger))
    op.add_column("mails", sa.Column("error", sa.Text))
