"""The whole platform's days: summed by the database, remembered once they are over."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection

from tests.support.bank import Bank
from whalefall.base.db import Database
from whalefall.billing.overview import DayTotal, DayTotalsCache, num_active_users


def use(bank: Bank, count: int) -> None:
    """One charged request of each of so many new users, today."""
    for _ in range(count):
        user = bank.user(topped_up=1_000_000)
        bank.charge(bank.hold(user, 5000), bank.api_key(user), 120)


def test_days_that_are_over_are_remembered_and_fresh_ones_are_not(database: Database) -> None:
    bank = Bank(database)
    use(bank, 2)
    first = bank.now.date()
    bank.clock.advance(3 * 86_400)
    use(bank, 1)
    today = bank.now.date()
    cache = DayTotalsCache()

    def seen(conn: Connection) -> list[tuple[date, int]]:
        found: list[DayTotal] = cache.totals(conn, first, today, today)
        return [(total.day, total.num_requests) for total in found]

    assert database.run(seen) == [(first, 2), (today, 1)]
    use(bank, 4)
    assert database.run(seen) == [(first, 2), (today, 5)]
    assert database.run(num_active_users, today, today) == 5
    assert database.run(num_active_users, today - timedelta(days=2), today - timedelta(days=1)) == 0
