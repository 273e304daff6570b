"""Limits an operator sets on a whole account, over all its keys. Most accounts have none."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.accounts.api_keys import LIMIT_MAX, NO_LIMITS, KeyLimits
from whalefall.accounts.users import get_user
from whalefall.base.errors import InvalidRequestError
from whalefall.base.tables import metadata

account_limits = Table(
    "account_limits",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("concurrency", BigInteger),
)


def set_account_limits(conn: Connection, user_id: str, limits: KeyLimits) -> None:
    """Replaces what was set before; NO_LIMITS takes it away."""
    get_user(conn, user_id)
    values = asdict(limits)
    for name, value in values.items():
        if value is not None and not 1 <= value <= LIMIT_MAX:
            raise InvalidRequestError(f"{name} is a whole number from 1 to {LIMIT_MAX}")
    if limits == NO_LIMITS:
        conn.execute(delete(account_limits).where(account_limits.c.user_id == user_id))
        return
    statement = upsert(account_limits).values(user_id=user_id, **values)
    conn.execute(
        statement.on_conflict_do_update(index_elements=[account_limits.c.user_id], set_=values)
    )


def account_limits_of(conn: Connection, user_id: str) -> KeyLimits:
    row = conn.execute(_QUERY.where(account_limits.c.user_id == user_id)).one_or_none()
    return NO_LIMITS if row is None else KeyLimits(*tuple(row)[1:])


def all_account_limits(conn: Connection) -> dict[str, KeyLimits]:
    """By user id; only accounts that have limits."""
    rows = map(tuple, conn.execute(_QUERY))
    return {user_id: KeyLimits(*limits) for user_id, *limits in rows}


_QUERY = select(
    account_limits.c.user_id,
    account_limits.c.requests_per_minute,
    account_limits.c.tokens_per_minute,
    account_limits.c.concurrency,
)
