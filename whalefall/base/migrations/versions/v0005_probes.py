"""What probes found, for the status page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "probe_results",
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("probed_at", sa.BigInteger, nullable=False),
        sa.Column("is_up", sa.Boolean, nullable=False),
        sa.Column("latency_ms", sa.Integer, nullable=False),
    )
    op.create_index("ix_probe_results_probed_at", "probe_results", ["probed_at"])
    op.create_table(
        "probe_days",
        sa.Column("day", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("num_up", sa.Integer, nullable=False),
        sa.Column("num_down", sa.Integer, nullable=False),
        sa.Column("latency_ms_sum", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "target", name="pk_probe_days"),
    )
