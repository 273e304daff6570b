"""Users, API keys, the ledger, and what was used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

LEDGER_COUNTERS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
APPEND_ONLY = ("transfers", "usage_records")


def upgrade() -> None:
    _create_people()
    _create_accounts_and_transfers()
    _create_holds_and_grants()
    _create_usage()
    for table in APPEND_ONLY:
        _forbid_changes(table)


def _create_people() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("suspended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.CheckConstraint("currency IN ('CNY', 'USD')", name="ck_users_currency_known"),
        sa.CheckConstraint("role IN ('user', 'admin')", name="ck_users_role_known"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("masked", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id"),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])


def _create_accounts_and_transfers() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
            for name in LEDGER_COUNTERS
        ),
        sa.Column("is_customer", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_accounts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_ledger_accounts_user_id"),
        sa.CheckConstraint(
            "NOT is_customer OR debits_pending + debits_posted <= credits_posted",
            name="ck_ledger_accounts_no_overdraft",
        ),
        *(
            sa.CheckConstraint(
                f"{name} BETWEEN 0 AND 9200000000000000000",
                name=f"ck_ledger_accounts_{name}_in_range",
            )
            for name in LEDGER_COUNTERS
        ),
    )
    op.create_index(
        "ix_ledger_accounts_user_id_currency", "ledger_accounts", ["user_id", "currency"]
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("debit_account_id", sa.Text, nullable=False),
        sa.Column("credit_account_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("pending_id", sa.Text),
        sa.Column("hold_id", sa.Text),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
        sa.UniqueConstraint("pending_id", name="uq_transfers_pending_id"),
        sa.UniqueConstraint("idempotency_key", name="uq_transfers_idempotency_key"),
        *_transfer_references(),
        *_transfer_checks(),
    )
    op.create_index("ix_transfers_hold_id", "transfers", ["hold_id"])
    op.create_index("ix_transfers_debit_account_id", "transfers", ["debit_account_id"])
    op.create_index("ix_transfers_credit_account_id", "transfers", ["credit_account_id"])


def _transfer_references() -> list[sa.ForeignKeyConstraint]:
    targets = {
        "debit_account_id": "ledger_accounts.id",
        "credit_account_id": "ledger_accounts.id",
        "pending_id": "transfers.id",
    }
    return [
        sa.ForeignKeyConstraint([column], [target], name=f"fk_transfers_{column}")
        for column, target in targets.items()
    ]


def _transfer_checks() -> list[sa.CheckConstraint]:
    rules = {
        "amount_in_range": "amount_nanos > 0 AND amount_nanos <= 9000000000000000000",
        "two_accounts": "debit_account_id <> credit_account_id",
        "resolves_one": "(kind IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)",
        "kind_known": "kind IN ('single', 'pending', 'post', 'void', 'expire')",
    }
    return [sa.CheckConstraint(rule, name=f"ck_transfers_{name}") for name, rule in rules.items()]


def _create_holds_and_grants() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("instance_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("wanted_nanos", sa.BigInteger, nullable=False),
        sa.Column("held_nanos", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sa.Column("shortfall_nanos", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_holds_user_id"),
        *_hold_checks(),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "ix_holds_open",
        "holds",
        ["expires_at"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("ledger_account_id", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
        sa.UniqueConstraint("idempotency_key", name="uq_grants_idempotency_key"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_grants_user_id"),
        sa.ForeignKeyConstraint(
            ["ledger_account_id"], ["ledger_accounts.id"], name="fk_grants_ledger_account_id"
        ),
    )
    op.create_index("ix_grants_user_id", "grants", ["user_id"])


def _hold_checks() -> list[sa.CheckConstraint]:
    rules = {
        "state_known": "state IN ('open', 'posted', 'voided', 'expired')",
        "cost_within_hold": "0 <= cost_nanos AND cost_nanos <= held_nanos",
        "held_within_wanted": "held_nanos <= wanted_nanos",
        "shortfall_in_range": "shortfall_nanos >= 0",
        "resolved_when_closed": "(state = 'open') = (resolved_at IS NULL)",
    }
    return [sa.CheckConstraint(rule, name=f"ck_holds_{name}") for name, rule in rules.items()]


def _create_usage() -> None:
    op.create_table(
        "price_versions",
        sa.Column("id", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("hit_micros", sa.BigInteger, nullable=False),
        sa.Column("miss_micros", sa.BigInteger, nullable=False),
        sa.Column("output_micros", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_price_versions"),
    )
    op.create_table(
        "usage_records",
        sa.Column("request_id", sa.Text),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("user_id", "api_key_id")),
        sa.Column("model_asked", sa.Text, nullable=False),
        sa.Column("model_billed", sa.Text, nullable=False),
        sa.Column("price_id", sa.Text, nullable=False),
        sa.Column("price_rule", sa.Text, nullable=False),
        sa.Column("hit_tokens", sa.BigInteger, nullable=False),
        sa.Column("miss_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("granted_nanos", sa.BigInteger, nullable=False),
        sa.Column("paid_nanos", sa.BigInteger, nullable=False),
        sa.Column("uncollected_nanos", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage_records"),
        *_usage_references("usage_records"),
        sa.ForeignKeyConstraint(
            ["price_id"], ["price_versions.id"], name="fk_usage_records_price_id"
        ),
        sa.CheckConstraint(
            "hit_tokens >= 0 AND miss_tokens >= 0 AND output_tokens >= 0",
            name="ck_usage_records_tokens_in_range",
        ),
        sa.CheckConstraint(
            "granted_nanos >= 0 AND paid_nanos >= 0 AND uncollected_nanos >= 0",
            name="ck_usage_records_cost_in_range",
        ),
    )
    op.create_index(
        "ix_usage_records_user_id_created_at", "usage_records", ["user_id", "created_at"]
    )
    _create_usage_daily()


def _create_usage_daily() -> None:
    keys = ("user_id", "api_key_id", "model", "price_id", "currency")
    sums = (
        "num_requests",
        "hit_tokens",
        "miss_tokens",
        "output_tokens",
        "granted_nanos",
        "paid_nanos",
    )
    op.create_table(
        "usage_daily",
        sa.Column("day", sa.Integer, autoincrement=False),
        *(sa.Column(name, sa.Text) for name in keys),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in sums),
        sa.PrimaryKeyConstraint("day", *keys, name="pk_usage_daily"),
        *_usage_references("usage_daily"),
    )
    op.create_index("ix_usage_daily_user_id_day", "usage_daily", ["user_id", "day"])


def _usage_references(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=f"fk_{table}_api_key_id"),
    ]


def _forbid_changes(table: str) -> None:
    """Whoever edits history, by hand or by mistake, is stopped by the database itself."""
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
