"""The whole platform's days, for its operator: summed by the database, one line per day, model and
currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.money import Currency
from whalefall.billing.usage import usage_daily

NUM_DAYS_KEPT = 400


@dataclass(frozen=True, slots=True)
class DayTotal:
    day: date
    model: str
    currency: Currency
    num_requests: int
    hit_tokens: int
    miss_tokens: int
    output_tokens: int
    granted_nanos: int
    paid_nanos: int


def day_totals(conn: Connection, first: date, last: date) -> list[DayTotal]:
    """From the first to the last day, both included, in UTC."""
    sums = [
        func.sum(usage_daily.c[name])
        for name in (
            "num_requests",
            "hit_tokens",
            "miss_tokens",
            "output_tokens",
            "granted_nanos",
            "paid_nanos",
        )
    ]
    keys = [usage_daily.c.day, usage_daily.c.model, usage_daily.c.currency]
    query = (
        select(*keys, *sums)
        .where(usage_daily.c.day.between(number_from_day(first), number_from_day(last)))
        .group_by(*keys)
        .order_by(*keys)
    )
    return [
        DayTotal(
            day_from_number(row[0]), row[1], Currency(row[2]), *(int(value) for value in row[3:])
        )
        for row in map(tuple, conn.execute(query))
    ]


class DayTotalsCache:
    """Remembers days that are over, so that a month is summed up once per process and not at every
    look. A day counts as over a day later: by then its last request is charged."""

    def __init__(self) -> None:
        self._known: dict[date, tuple[DayTotal, ...]] = {}

    def totals(self, conn: Connection, first: date, last: date, today: date) -> list[DayTotal]:
        """As `day_totals`. Safe in several threads: at worst a day is summed up twice."""
        wanted = [first + timedelta(days=index) for index in range((last - first).days + 1)]
        missing = [day for day in wanted if day not in self._known]
        fresh: dict[date, list[DayTotal]] = {day: [] for day in missing}
        if missing:
            for total in day_totals(conn, missing[0], missing[-1]):
                fresh.get(total.day, []).append(total)
        found = {**self._known, **{day: tuple(totals) for day, totals in fresh.items()}}
        over = {day: totals for day, totals in found.items() if day < today - timedelta(days=1)}
        newest = sorted(over)[-NUM_DAYS_KEPT:]
        self._known = {day: over[day] for day in newest}
        return [total for day in wanted for total in found[day]]


def num_active_users(conn: Connection, first: date, last: date) -> int:
    """Users with at least one charged request in those days."""
    query = select(func.count(func.distinct(usage_daily.c.user_id))).where(
        usage_daily.c.day.between(number_from_day(first), number_from_day(last))
    )
    return int(conn.execute(query).scalar_one())
