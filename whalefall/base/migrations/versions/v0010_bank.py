"""Virtual account numbers, and what stood on the statements of the platform's bank."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "virtual_accounts",
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("base_number", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_virtual_accounts"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_virtual_accounts_user_id_users"
        ),
        sa.UniqueConstraint(
            "user_id", "base_number", name="uq_virtual_accounts_user_id_base_number"
        ),
    )
    op.create_table(
        "bank_imports",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("num_entries", sa.Integer, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bank_imports"),
        sa.CheckConstraint(
            "format IN ('icbc', 'cmb', 'camt053')", name="ck_bank_imports_format_known"
        ),
    )
    op.create_index("ix_bank_imports_created_at", "bank_imports", ["created_at"])
    _create_bank_entries()


def _create_bank_entries() -> None:
    texts = ("reference", "payer_name", "payer_account", "credited_account", "text", "content_key")
    op.create_table(
        "bank_entries",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("import_id", sa.Text, nullable=False),
        sa.Column("base_number", sa.Text, nullable=False),
        sa.Column("booked_on", sa.Integer, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("is_reversal", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("occurrence", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("wait_reason", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("top_up_id", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_bank_entries"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["bank_imports.id"], name="fk_bank_entries_import_id_bank_imports"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_bank_entries_user_id_users"),
        sa.ForeignKeyConstraint(
            ["top_up_id"], ["top_ups.id"], name="fk_bank_entries_top_up_id_top_ups"
        ),
        sa.UniqueConstraint(
            "content_key", "occurrence", name="uq_bank_entries_content_key_occurrence"
        ),
        sa.UniqueConstraint("top_up_id", name="uq_bank_entries_top_up_id"),
        *(
            sa.CheckConstraint(sql, name=f"ck_bank_entries_{name}")
            for name, sql in _BANK_ENTRY_CHECKS.items()
        ),
    )
    for columns in (["state", "created_at"], ["booked_on", "amount_nanos"], ["user_id"]):
        op.create_index(f"ix_bank_entries_{'_'.join(columns)}", "bank_entries", columns)


_BANK_ENTRY_CHECKS = {
    "direction_known": "direction IN ('credit', 'debit')",
    "state_known": "state IN ('matched', 'waiting', 'attributed', 'returned', 'outgoing')",
    "amount_in_range": "amount_nanos > 0 AND amount_nanos <= 9000000000000000000",
    "credited_once": "(state IN ('matched', 'attributed')) = (top_up_id IS NOT NULL)",
    "outgoing_is_debit": "state <> 'outgoing' OR direction = 'debit'",
}
