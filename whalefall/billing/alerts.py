"""Whose balance has crossed the line they asked to be told of. One query for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from whalefall.accounts.profiles import profiles
from whalefall.accounts.users import users
from whalefall.base.money import Currency
from whalefall.billing.transfers import ledger_accounts

NUM_AT_ONCE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Crossing:
    """A balance that is low and was not told of, or told of and no longer low."""

    user_id: str
    email: str
    language: str | None
    currency: Currency
    threshold_nanos: int
    left_nanos: int

    @property
    def is_low(self) -> bool:
        return self.left_nanos < self.threshold_nanos


def crossings(conn: Connection, now: datetime, *, limit: int = NUM_AT_ONCE_MAX) -> list[Crossing]:
    """Everyone whose alert has to be sent or to be made ready again, by user."""
    balance = ledger_accounts.c.credits_posted - ledger_accounts.c.debits_posted
    left = func.coalesce(func.sum(balance), 0)
    is_live = or_(ledger_accounts.c.expires_at.is_(None), ledger_accounts.c.expires_at > now)
    is_own = and_(
        ledger_accounts.c.user_id == users.c.id,
        ledger_accounts.c.currency == users.c.currency,
        ledger_accounts.c.is_customer,
        is_live,
    )
    was_told = profiles.c.alert_sent_at.is_not(None)
    columns = [
        users.c.id,
        users.c.email,
        profiles.c.language,
        users.c.currency,
        profiles.c.alert_nanos,
    ]
    is_low = left < profiles.c.alert_nanos
    query = (
        select(*columns, left)
        .select_from(profiles)
        .join(users, users.c.id == profiles.c.user_id)
        .join(ledger_accounts, is_own, isouter=True)
        .where(profiles.c.alert_nanos.is_not(None), users.c.suspended_at.is_(None))
        .group_by(*columns, profiles.c.alert_sent_at)
        .having(or_(and_(is_low, ~was_told), and_(~is_low, was_told)))
        .order_by(users.c.id)
        .limit(limit)
    )
    return [
        Crossing(row[0], row[1], row[2], Currency(row[3]), row[4], int(row[5]))
        for row in map(tuple, conn.execute(query))
    ]
