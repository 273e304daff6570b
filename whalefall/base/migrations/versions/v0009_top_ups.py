"""Top-ups as rows of their own, what payment providers told about them, and how orders are paid.

Every deposit made before becomes a top-up recorded by an operator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    _make_top_ups()
    _make_provider_events()
    _make_checkouts()
    _take_over_deposits()


def _make_top_ups() -> None:
    op.create_table(
        "top_ups",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("provider_reference", sa.Text),
        sa.Column("transfer_id", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("paid_at", sa.BigInteger),
        sa.Column("refunded_nanos", sa.BigInteger, nullable=False),
        sa.Column("charged_back_nanos", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_top_ups"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_top_ups_user_id_users"),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.id"], name="fk_top_ups_transfer_id_transfers"
        ),
        sa.UniqueConstraint("source", "idempotency_key", name="uq_top_ups_source_idempotency_key"),
        sa.UniqueConstraint(
            "source", "provider_reference", name="uq_top_ups_source_provider_reference"
        ),
        sa.UniqueConstraint("transfer_id", name="uq_top_ups_transfer_id"),
        sa.CheckConstraint(
            "source IN ('alipay', 'wechatpay', 'stripe', 'bank', 'operator')",
            name="ck_top_ups_source_known",
        ),
        sa.CheckConstraint(
            "state IN ('open', 'paid', 'expired', 'failed')", name="ck_top_ups_state_known"
        ),
        sa.CheckConstraint(
            "amount_nanos > 0 AND amount_nanos <= 9000000000000000000",
            name="ck_top_ups_amount_in_range",
        ),
        sa.CheckConstraint(
            "(state = 'paid') = (transfer_id IS NOT NULL)", name="ck_top_ups_paid_by_a_transfer"
        ),
        sa.CheckConstraint(
            "(state = 'paid') = (paid_at IS NOT NULL)", name="ck_top_ups_paid_at_an_instant"
        ),
        sa.CheckConstraint(
            "refunded_nanos BETWEEN 0 AND amount_nanos", name="ck_top_ups_refunded_in_range"
        ),
        sa.CheckConstraint(
            "charged_back_nanos BETWEEN 0 AND amount_nanos",
            name="ck_top_ups_charged_back_in_range",
        ),
    )
    op.create_index("ix_top_ups_user_id_created_at", "top_ups", ["user_id", "created_at"])
    op.create_index("ix_top_ups_state_expires_at", "top_ups", ["state", "expires_at"])


def _make_provider_events() -> None:
    op.create_table(
        "provider_events",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("top_up_id", sa.Text, nullable=False),
        sa.Column("provider_reference", sa.Text, nullable=False),
        sa.Column("refund_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("source", "event_id", name="pk_provider_events"),
        sa.CheckConstraint(
            "state IN ('applied', 'waiting', 'refused', 'ignored')",
            name="ck_provider_events_state_known",
        ),
    )
    op.create_index("ix_provider_events_top_up_id", "provider_events", ["top_up_id"])
    op.create_index(
        "ix_provider_events_state_received_at", "provider_events", ["state", "received_at"]
    )


def _make_checkouts() -> None:
    op.create_table(
        "checkouts",
        sa.Column("top_up_id", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("qr", sa.Text, nullable=False),
        sa.Column("num_queries", sa.Integer, nullable=False),
        sa.Column("query_at", sa.BigInteger),
        sa.Column("problem", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("top_up_id", name="pk_checkouts"),
        sa.ForeignKeyConstraint(
            ["top_up_id"], ["top_ups.id"], name="fk_checkouts_top_up_id_top_ups"
        ),
    )
    op.create_index("ix_checkouts_query_at", "checkouts", ["query_at"])


def _take_over_deposits() -> None:
    op.execute(
        "INSERT INTO top_ups (id, user_id, source, currency, amount_nanos, state, "
        "idempotency_key, reference, transfer_id, created_at, paid_at, refunded_nanos, "
        "charged_back_nanos) "
        "SELECT 'topup_' || substr(transfers.id, 4), ledger_accounts.user_id, 'operator', "
        "transfers.currency, transfers.amount_nanos, 'paid', "
        "substr(transfers.idempotency_key, 9), transfers.reference, transfers.id, "
        "transfers.created_at, transfers.created_at, 0, 0 "
        "FROM transfers JOIN ledger_accounts ON ledger_accounts.id = transfers.credit_account_id "
        "WHERE transfers.reason = 'top-up' AND transfers.idempotency_key LIKE 'deposit:%'"
    )
