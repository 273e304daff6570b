"""Redemption codes, and the grant that comes with a new account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0007"


def upgrade() -> None:
    _create_codes()
    _create_code_uses()
    op.create_table(
        "sign_up_grants",
        sa.Column("address_digest", sa.Text, nullable=False),
        sa.Column("granted_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("address_digest", name="pk_sign_up_grants"),
    )
    op.create_index("ix_sign_up_grants_granted_at", "sign_up_grants", ["granted_at"])


def _create_codes() -> None:
    op.create_table(
        "code_batches",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("num_uses_max", sa.Integer, nullable=False),
        sa.Column("grant_days", sa.Integer),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_code_batches"),
        sa.CheckConstraint("amount_nanos > 0", name="ck_code_batches_amount_in_range"),
    )
    op.create_index("ix_code_batches_created_at", "code_batches", ["created_at"])
    op.create_table(
        "redemption_codes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("stub", sa.Text, nullable=False),
        sa.Column("num_uses", sa.Integer, nullable=False),
        sa.Column("num_uses_max", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_redemption_codes"),
        sa.UniqueConstraint("digest", name="uq_redemption_codes_digest"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["code_batches.id"], name="fk_redemption_codes_batch_id"
        ),
        sa.CheckConstraint(
            "num_uses BETWEEN 0 AND num_uses_max", name="ck_redemption_codes_uses_in_range"
        ),
    )
    op.create_index("ix_redemption_codes_batch_id", "redemption_codes", ["batch_id"])


def _create_code_uses() -> None:
    op.create_table(
        "code_uses",
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("code_id", sa.Text, nullable=False),
        sa.Column("grant_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "user_id", name="pk_code_uses"),
        sa.ForeignKeyConstraint(["batch_id"], ["code_batches.id"], name="fk_code_uses_batch_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_code_uses_user_id"),
        sa.ForeignKeyConstraint(["code_id"], ["redemption_codes.id"], name="fk_code_uses_code_id"),
        sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_code_uses_grant_id"),
    )
    op.create_index("ix_code_uses_code_id", "code_uses", ["code_id"])
    op.create_index("ix_code_uses_user_id", "code_uses", ["user_id"])
