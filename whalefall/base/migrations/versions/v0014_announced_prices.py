"""Prices that operators announce in the console, beside those of the files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_FIGURES = ("hit_micros", "miss_micros", "output_micros")


def upgrade() -> None:
    op.create_table(
        "announced_prices",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("price_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _FIGURES),
        sa.Column("effective_from", sa.BigInteger, nullable=False),
        sa.Column("effective_to", sa.BigInteger),
        sa.Column("window_name", sa.Text),
        sa.Column("window_rule", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("announced_at", sa.BigInteger, nullable=False),
        sa.Column("announced_by", sa.Text, nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_announced_prices"),
        sa.ForeignKeyConstraint(
            ["price_id"], ["price_versions.id"], name="fk_announced_prices_price_id"
        ),
        sa.CheckConstraint(
            " AND ".join(f"{name} BETWEEN 0 AND 1000000000000" for name in _FIGURES),
            name="ck_announced_prices_figures_in_range",
        ),
        sa.CheckConstraint(
            "effective_from > announced_at", name="ck_announced_prices_announced_before"
        ),
        sa.CheckConstraint(
            "effective_to > effective_from", name="ck_announced_prices_ends_after_it_begins"
        ),
        sa.CheckConstraint(
            "withdrawn_at < effective_from", name="ck_announced_prices_withdrawn_before"
        ),
        sa.CheckConstraint(
            "(window_name IS NULL) = (window_rule IS NULL)",
            name="ck_announced_prices_window_with_rule",
        ),
    )
    for name, condition in (("plain", "IS NULL"), ("hours", "IS NOT NULL")):
        where = sa.text(f"withdrawn_at IS NULL AND window_name {condition}")
        op.create_index(
            f"uq_announced_prices_{name}",
            "announced_prices",
            ["model", "currency", "effective_from"],
            unique=True,
            sqlite_where=where,
            postgresql_where=where,
        )
