"""What a key with a monthly budget may still spend: what it was charged this UTC month and what its
open holds reserve is taken off, so that requests at the same time cannot exceed it together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection, bindparam, func, select

from whalefall.accounts.api_keys import api_keys
from whalefall.base.money import Currency
from whalefall.base.statements import Prepared
from whalefall.base.tables import micros_from_instant
from whalefall.billing.holds import holds
from whalefall.billing.usage import number_from_day, usage_daily


@dataclass(frozen=True, slots=True)
class KeyOfUser:
    user_id: str
    api_key_id: str
    currency: Currency


def lock_budget(conn: Connection, key: KeyOfUser, now: datetime) -> int | None:
    """What is left of the month's budget, never below zero; None without a budget. Whoever asks
    next for the same key waits until this transaction ends."""
    budgets = _BUDGET.rows(conn, {"key": key.api_key_id})
    if not budgets or budgets[0][0] is None:
        return None
    first = _first_day(now)
    values = {
        "user": key.user_id,
        "key": key.api_key_id,
        "currency": key.currency.value,
        "first_day": number_from_day(first),
        "first_instant": micros_from_instant(datetime(first.year, first.month, 1, tzinfo=UTC)),
    }
    spent, held = _SPENT.rows(conn, values)[0][0], _HELD.rows(conn, values)[0][0]
    return max(0, int(budgets[0][0]) - int(spent) - int(held))


def spent_this_month(
    conn: Connection, user_id: str, currency: Currency, now: datetime
) -> dict[str, int]:
    """What each of a user's keys was charged in this UTC month, by key id."""
    query = (
        select(usage_daily.c.api_key_id, _CHARGED)
        .where(
            usage_daily.c.user_id == user_id,
            usage_daily.c.currency == currency.value,
            usage_daily.c.day >= number_from_day(_first_day(now)),
        )
        .group_by(usage_daily.c.api_key_id)
    )
    return {row[0]: int(row[1]) for row in conn.execute(query)}


def _first_day(now: datetime) -> date:
    return now.astimezone(UTC).date().replace(day=1)


_CHARGED = func.coalesce(func.sum(usage_daily.c.granted_nanos + usage_daily.c.paid_nanos), 0)
_BUDGET = Prepared(
    select(api_keys.c.monthly_nanos)
    .where(api_keys.c.id == bindparam("key"))
    .with_for_update(key_share=True)
)
_SPENT = Prepared(
    select(_CHARGED).where(
        usage_daily.c.user_id == bindparam("user"),
        usage_daily.c.api_key_id == bindparam("key"),
        usage_daily.c.currency == bindparam("currency"),
        usage_daily.c.day >= bindparam("first_day"),
    )
)
_HELD = Prepared(
    select(func.coalesce(func.sum(holds.c.held_nanos), 0)).where(
        holds.c.state == "open",
        holds.c.api_key_id == bindparam("key"),
        holds.c.created_at >= bindparam("first_instant"),
    )
)
