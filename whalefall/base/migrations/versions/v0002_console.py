"""Logins and what surrounds them, the audit log, and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_logins()
    _create_second_factor()
    _create_records()


def _create_logins() -> None:
    op.create_table(
        "logins",
        sa.Column("id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("needs_second_factor", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_logins"),
        sa.UniqueConstraint("digest", name="uq_logins_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_logins_user_id"),
    )
    op.create_index("ix_logins_user_id", "logins", ["user_id"])
    op.create_table(
        "profiles",
        sa.Column("user_id", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("must_change_password", sa.Boolean, nullable=False),
        sa.Column("alert_nanos", sa.BigInteger),
        sa.Column("alert_sent_at", sa.BigInteger),
        sa.Column("console_key_id", sa.Text),
        sa.PrimaryKeyConstraint("user_id", name="pk_profiles"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_profiles_user_id"),
        sa.ForeignKeyConstraint(
            ["console_key_id"], ["api_keys.id"], name="fk_profiles_console_key_id"
        ),
    )
    op.create_table(
        "throttles",
        sa.Column("key_digest", sa.Text),
        sa.Column("num_tries", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name="pk_throttles"),
    )
    op.create_index("ix_throttles_ends_at", "throttles", ["ends_at"])
    op.create_table(
        "email_codes",
        sa.Column("purpose", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("num_tries", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("purpose", "email", name="pk_email_codes"),
    )


def _create_second_factor() -> None:
    op.create_table(
        "totp_secrets",
        sa.Column("user_id", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_secrets"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_totp_secrets_user_id"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("digest", name="pk_recovery_codes"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_codes_user_id"),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"])


def _create_records() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("actor_id", sa.Text),
        sa.Column("actor_email", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_created_at", "audit_entries", ["created_at"])
    op.create_index(
        "ix_audit_entries_actor_id_created_at", "audit_entries", ["actor_id", "created_at"]
    )
    op.create_index(
        "ix_audit_entries_subject_created_at", "audit_entries", ["subject", "created_at"]
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Text),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
    )
    op.create_index("ix_mails_created_at", "mails", ["created_at"])
