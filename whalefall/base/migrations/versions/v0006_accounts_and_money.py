"""What a key may be used for, how a letter's delivery goes, and corrections of past charges."""

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
    _create_corrections()


def _create_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("run_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("transfer_id", sa.Text, nullable=False),
        sa.Column("price_id", sa.Text, nullable=False),
        sa.Column("hit_tokens", sa.BigInteger, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "request_id", name="pk_corrections"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["usage_records.request_id"], name="fk_corrections_request_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_corrections_user_id"),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name="fk_corrections_transfer_id"
        ),
        sa.CheckConstraint("amount_nanos > 0", name="ck_corrections_amount_in_range"),
    )
    op.create_index("ix_corrections_request_id", "corrections", ["request_id"])
    op.create_index("ix_corrections_user_id_created_at", "corrections", ["user_id", "created_at"])
