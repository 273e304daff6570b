"""The grant that comes with a new account, by a stated rule: once per account, and not again for an
address that had one within a stated time, however often its account is deleted and made anew.

Of an address only a digest is kept, and that no longer than the rule needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Index, Table, Text, delete
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.accounts.users import User
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.grants import Grant, GrantRequest, grant

sign_up_grants = Table(
    "sign_up_grants",
    metadata,
    Column("address_digest", Text, primary_key=True),
    Column("granted_at", Instant, nullable=False),
    Index(None, "granted_at"),
)


@dataclass(frozen=True, slots=True)
class SignUpGrantRule:
    """Off for every currency without an amount."""

    amounts: Mapping[Currency, int]
    """Nanos by the new account's currency."""
    lasts: timedelta
    again_after: timedelta
    """How long one address has to wait for another."""
    reason: str = "welcome"


NO_SIGN_UP_GRANT = SignUpGrantRule({}, timedelta(days=30), timedelta(days=365))


def grant_at_sign_up(
    conn: Connection, rule: SignUpGrantRule, user: User, now: datetime
) -> Grant | None:
    """What the rule gives this new account; None where it gives nothing. Call it in the
    transaction that makes the account."""
    amount_nanos = rule.amounts.get(user.currency, 0)
    if amount_nanos <= 0 or not _remember(conn, rule, user.email, now):
        return None
    return grant(
        conn,
        GrantRequest(
            user_id=user.id,
            currency=user.currency,
            amount_nanos=amount_nanos,
            idempotency_key=f"sign-up:{user.id}",
            reason=rule.reason,
            now=now,
            expires_at=now + rule.lasts,
        ),
    )


def sweep_sign_up_grants(conn: Connection, rule: SignUpGrantRule, now: datetime) -> int:
    """Forget the addresses that may have a grant again; how many there were."""
    over = delete(sign_up_grants).where(sign_up_grants.c.granted_at <= now - rule.again_after)
    return conn.execute(over).rowcount


def _remember(conn: Connection, rule: SignUpGrantRule, email: str, now: datetime) -> bool:
    """Whether the address may have one now; two at once are told apart by the database."""
    row = {"address_digest": _digest(email), "granted_at": now}
    noted = upsert(sign_up_grants).values(row)
    renewed = noted.on_conflict_do_update(
        index_elements=[sign_up_grants.c.address_digest],
        set_={"granted_at": now},
        where=sign_up_grants.c.granted_at <= now - rule.again_after,
    ).returning(sign_up_grants.c.granted_at)
    return conn.execute(renewed).first() is not None


def _digest(email: str) -> str:
    """`ann+shop@example.org` reaches the same person as `ann@example.org`."""
    local, _, domain = email.rpartition("@")
    address = f"{local.partition('+')[0] or local}@{domain}"
    return hashlib.sha256(f"sign-up grant\0{address}".encode()).hexdigest()
