"""Announcements, limits of accounts, and what the operator's charts are made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
        sa.Column("title_en", sa.Text, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("title_zh", sa.Text, nullable=False),
        sa.Column("text_zh", sa.Text, nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_announcements"),
    )
    op.create_index("ix_announcements_published_at", "announcements", ["published_at"])
    op.create_table(
        "account_limits",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrency", sa.BigInteger),
        sa.PrimaryKeyConstraint("user_id", name="pk_account_limits"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_account_limits_user_id_users"),
    )
    op.create_table(
        "answer_days",
        sa.Column("day", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("status", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("num_answers", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "status", name="pk_answer_days"),
    )
    op.create_table(
        "load_samples",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("sampled_at", sa.BigInteger, nullable=False),
        sa.Column("milliseconds", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("num_running", sa.Integer, nullable=False),
        sa.Column("num_waiting", sa.Integer, nullable=False),
    )
    op.create_index("ix_load_samples_sampled_at", "load_samples", ["sampled_at"])
