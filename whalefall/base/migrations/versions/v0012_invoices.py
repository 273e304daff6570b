"""Invoices and credit notes, what is attached to letters, and a quick way to single transfers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    _requests()
    _counters()
    _documents()
    for table in ("invoices", "invoice_files"):
        _make_append_only(table)
    op.create_table(
        "mail_attachments",
        sa.Column("mail_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("mail_id", name="pk_mail_attachments"),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mails.id"], name="fk_mail_attachments_mail_id_mails"
        ),
    )
    is_single = sa.text("kind = 'single'")
    op.create_index(
        "ix_transfers_single_debits",
        "transfers",
        ["debit_account_id", "created_at"],
        sqlite_where=is_single,
        postgresql_where=is_single,
    )


def _requests() -> None:
    op.create_table(
        "invoice_requests",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("month", sa.Integer),
        sa.Column("has_usage", sa.Boolean, nullable=False),
        sa.Column("title_kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("tax_number", sa.Text, nullable=False),
        sa.Column("remarks", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("replaces_id", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_day", sa.Integer, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invoice_requests"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_invoice_requests_user_id_users"
        ),
        sa.CheckConstraint(
            "state IN ('open', 'issued', 'refused', 'withdrawn')",
            name="ck_invoice_requests_state_known",
        ),
        sa.CheckConstraint(
            "title_kind IN ('personal', 'enterprise')", name="ck_invoice_requests_title_kind_known"
        ),
        sa.CheckConstraint("amount_nanos > 0", name="ck_invoice_requests_amount_in_range"),
        sa.CheckConstraint(
            "(state = 'open') = (decided_at IS NULL)",
            name="ck_invoice_requests_decided_when_closed",
        ),
    )
    op.create_index(
        "ix_invoice_requests_user_id_created_at", "invoice_requests", ["user_id", "created_at"]
    )
    op.create_index("ix_invoice_requests_state_due_day", "invoice_requests", ["state", "due_day"])


def _counters() -> None:
    op.create_table(
        "invoice_counters",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("year", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("last_issued_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "year", name="pk_invoice_counters"),
    )


def _documents() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("year", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("month", sa.Integer),
        sa.Column("request_id", sa.Text),
        sa.Column("corrects_id", sa.Text),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invoices"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_invoices_user_id_users"),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["invoice_requests.id"],
            name="fk_invoices_request_id_invoice_requests",
        ),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["invoices.id"], name="fk_invoices_corrects_id_invoices"
        ),
        sa.UniqueConstraint("kind", "year", "sequence", name="uq_invoices_kind_year_sequence"),
        sa.UniqueConstraint("number", name="uq_invoices_number"),
        sa.UniqueConstraint("request_id", name="uq_invoices_request_id"),
        sa.UniqueConstraint("idempotency_key", name="uq_invoices_idempotency_key"),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name="ck_invoices_kind_known"),
        sa.CheckConstraint("amount_nanos > 0", name="ck_invoices_amount_in_range"),
        sa.CheckConstraint(
            "(kind = 'invoice') = (request_id IS NOT NULL)", name="ck_invoices_asked_for"
        ),
        sa.CheckConstraint(
            "(kind = 'credit_note') = (corrects_id IS NOT NULL)", name="ck_invoices_corrects_one"
        ),
    )
    op.create_index("ix_invoices_user_id_issued_at", "invoices", ["user_id", "issued_at"])
    op.create_index("ix_invoices_corrects_id", "invoices", ["corrects_id"])
    op.create_index("ix_invoices_issued_at", "invoices", ["issued_at"])
    op.create_table(
        "invoice_files",
        sa.Column("invoice_id", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", name="pk_invoice_files"),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name="fk_invoice_files_invoice_id_invoices"
        ),
    )


def _make_append_only(table: str) -> None:
    """The database itself refuses to change or delete what was issued."""
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )
