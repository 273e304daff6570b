"""Redemption codes, the grant that comes with a new account, refunds and chargebacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


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
    _create_refunds()
    _create_chargebacks()


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


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("top_up_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("provider_reference", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Text),
        sa.Column("num_tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.BigInteger, nullable=False),
        sa.Column("claimed_until", sa.BigInteger),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("told_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_refunds_user_id"),
        sa.ForeignKeyConstraint(["top_up_id"], ["top_ups.id"], name="fk_refunds_top_up_id"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_refunds_ticket_id"),
        sa.UniqueConstraint(
            "user_id",
            "idempotency_key",
            "top_up_id",
            name="uq_refunds_user_id_idempotency_key_top_up_id",
        ),
        sa.CheckConstraint(
            "state IN ('asked', 'sent', 'done', 'failed')", name="ck_refunds_state_known"
        ),
        sa.CheckConstraint("amount_nanos > 0", name="ck_refunds_amount_in_range"),
        sa.CheckConstraint(
            "(state IN ('asked', 'sent')) = (resolved_at IS NULL)",
            name="ck_refunds_resolved_when_closed",
        ),
    )
    op.create_index("ix_refunds_user_id_asked_at", "refunds", ["user_id", "asked_at"])
    op.create_index("ix_refunds_top_up_id", "refunds", ["top_up_id"])
    op.create_index("ix_refunds_state_next_try_at", "refunds", ["state", "next_try_at"])


def _create_chargebacks() -> None:
    op.create_table(
        "chargebacks",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("top_up_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("taken_nanos", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_chargebacks"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_chargebacks_user_id"),
        sa.ForeignKeyConstraint(["top_up_id"], ["top_ups.id"], name="fk_chargebacks_top_up_id"),
        sa.UniqueConstraint("source", "event_id", name="uq_chargebacks_source_event_id"),
        sa.CheckConstraint(
            "kind IN ('dispute', 'unasked_refund')", name="ck_chargebacks_kind_known"
        ),
        sa.CheckConstraint("state IN ('open', 'lost', 'won')", name="ck_chargebacks_state_known"),
        sa.CheckConstraint("amount_nanos > 0", name="ck_chargebacks_amount_in_range"),
        sa.CheckConstraint(
            "taken_nanos BETWEEN 0 AND amount_nanos", name="ck_chargebacks_taken_in_range"
        ),
        sa.CheckConstraint(
            "(state = 'open') = (resolved_at IS NULL)", name="ck_chargebacks_resolved_when_closed"
        ),
    )
    op.create_index("ix_chargebacks_user_id", "chargebacks", ["user_id"])
    op.create_index("ix_chargebacks_top_up_id", "chargebacks", ["top_up_id"])
    op.create_index("ix_chargebacks_state_created_at", "chargebacks", ["state", "created_at"])
