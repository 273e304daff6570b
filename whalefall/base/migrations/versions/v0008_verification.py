"""Whom accounts belong to: claims with sealed numbers, their papers, and which key sealed them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "identity_keys",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identity_keys"),
        sa.CheckConstraint("id = 1", name="ck_identity_keys_only_one"),
    )
    _create_verifications()
    op.create_table(
        "verification_documents",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("verification_id", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("content_sealed", sa.LargeBinary, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verification_documents"),
        sa.UniqueConstraint("verification_id", name="uq_verification_documents_verification_id"),
        sa.ForeignKeyConstraint(
            ["verification_id"],
            ["verifications.id"],
            name="fk_verification_documents_verification_id",
        ),
    )


def _create_verifications() -> None:
    op.create_table(
        "verifications",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("legal_representative", sa.Text, nullable=False),
        sa.Column("masked_number", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("submitted_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("number_sealed", sa.LargeBinary),
        sa.Column("number_digest", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_verifications"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_verifications_user_id"),
        sa.UniqueConstraint("number_digest", name="uq_verifications_number_digest"),
        *_verification_checks(),
    )
    op.create_index("ix_verifications_user_id", "verifications", ["user_id"])
    op.create_index("ix_verifications_submitted_at", "verifications", ["submitted_at"])
    for state in ("waiting", "approved"):
        where = sa.text(f"state = '{state}'")
        op.create_index(
            f"uq_verifications_{state}",
            "verifications",
            ["user_id"],
            unique=True,
            sqlite_where=where,
            postgresql_where=where,
        )


def _verification_checks() -> tuple[sa.CheckConstraint, ...]:
    checks = {
        "kind_known": "kind IN ('personal', 'enterprise')",
        "state_known": "state IN ('waiting', 'approved', 'rejected', 'replaced')",
        "bound_in_force": "(state IN ('waiting', 'approved')) = (number_digest IS NOT NULL)",
        "sealed_with_digest": "(number_digest IS NULL) = (number_sealed IS NULL)",
        "decided_once": "(state = 'waiting') = (decided_at IS NULL)",
    }
    return tuple(
        sa.CheckConstraint(condition, name=f"ck_verifications_{name}")
        for name, condition in checks.items()
    )
