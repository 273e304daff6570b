"""The usage page: a month's expense, requests and tokens by day and model, and its export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.api_keys import APIKey, list_api_keys
from whalefall.accounts.users import User
from whalefall.base.money import Currency
from whalefall.billing.ledger import Balance, balances
from whalefall.billing.usage import UsageRow, usage_rows
from whalefall.console.charts import Series
from whalefall.console.forms import RefusedError
from whalefall.console.language import mark
from whalefall.console.routing import Download, File, View
from whalefall.console.session import Visit
from whalefall.console.usage_export import Month, export_name, export_zip

NUM_MONTHS_MAX = 36


class UsageQuery(msgspec.Struct, frozen=True):
    month: str = ""
    """`2026-09`; the current month when empty. Days are UTC."""
    api_key_id: str = ""
    """Only this key's usage."""


@dataclass(frozen=True, slots=True)
class Expense:
    """What a month cost in one currency, stacked by model."""

    currency: Currency
    total_nanos: int
    granted_nanos: int
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """One model's month, by day."""

    model: str
    num_requests: int
    hit_tokens: int
    miss_tokens: int
    output_tokens: int
    requests: Series
    tokens: tuple[Series, ...]
    """Hit, miss, output."""

    @property
    def prompt_tokens(self) -> int:
        return self.hit_tokens + self.miss_tokens


@dataclass(frozen=True, slots=True)
class UsagePage:
    month: str
    months: tuple[str, ...]
    """That can be chosen, newest first."""
    api_key_id: str
    api_keys: tuple[APIKey, ...]
    days: tuple[date, ...]
    balances: tuple[Balance, ...]
    expenses: tuple[Expense, ...]
    models: tuple[ModelUsage, ...]


async def load_usage(visit: Visit, query: UsageQuery) -> UsagePage:
    month = month_from(query.month, visit.now)
    return await visit.database.read(_usage_page, visit.person, month, query.api_key_id, visit.now)


async def export_usage(visit: Visit, query: UsageQuery) -> File:
    month = month_from(query.month, visit.now)
    rows = await visit.database.read(_rows, visit.person.id, month)
    return File(export_name(month), export_zip(rows, month), "application/zip")


def month_from(text: str, now: datetime) -> Month:
    if not text:
        return Month.of(now.date())
    try:
        return Month.from_text(text)
    except ValueError:
        raise RefusedError(mark("That is not a month; write it like 2026-09.")) from None


def expenses_from(rows: Sequence[UsageRow], days: Sequence[date]) -> tuple[Expense, ...]:
    """Per currency, the dearest model at the foot of the stack."""
    return tuple(
        _expense(currency, [row for row in rows if row.currency is currency], days)
        for currency in Currency
        if any(row.currency is currency for row in rows)
    )


def models_from(rows: Sequence[UsageRow], days: Sequence[date]) -> tuple[ModelUsage, ...]:
    """By number of requests, most first."""
    by_model: dict[str, list[UsageRow]] = {}
    for row in rows:
        by_model.setdefault(row.model, []).append(row)
    found = [_model_usage(model, mine, days) for model, mine in by_model.items()]
    return tuple(sorted(found, key=lambda usage: (-usage.num_requests, usage.model)))


def _usage_page(
    conn: Connection, user: User, month: Month, api_key_id: str, now: datetime
) -> UsagePage:
    keys = list_api_keys(conn, user.id)
    rows = [
        row for row in _rows(conn, user.id, month) if not api_key_id or row.api_key_id == api_key_id
    ]
    days = month.days
    return UsagePage(
        month=str(month),
        months=tuple(_months(user.created_at, now, month)),
        api_key_id=api_key_id,
        api_keys=tuple(keys),
        days=tuple(days),
        balances=shown_balances(conn, user, now),
        expenses=expenses_from(rows, days) or (Expense(user.currency, 0, 0, ()),),
        models=models_from(rows, days),
    )


def shown_balances(conn: Connection, user: User, now: datetime) -> tuple[Balance, ...]:
    """All wallets; the account's own first, even when there was never anything in it."""
    found = balances(conn, user.id, now)
    own = [wallet for wallet in found if wallet.currency is user.currency]
    other = [wallet for wallet in found if wallet.currency is not user.currency]
    return (*(own or [Balance(user.currency, 0, 0, 0, 0)]), *other)


def _rows(conn: Connection, user_id: str, month: Month) -> list[UsageRow]:
    return list(usage_rows(conn, month.first_day, month.last_day, user_id=user_id))


def _months(first: datetime, now: datetime, chosen: Month) -> list[str]:
    months = {str(chosen)}
    month = Month.of(now.date())
    while month.last_day >= first.date() and len(months) < NUM_MONTHS_MAX:
        months.add(str(month))
        month = month.previous
    return sorted(months, reverse=True)


def _expense(currency: Currency, rows: Sequence[UsageRow], days: Sequence[date]) -> Expense:
    models = sorted({row.model for row in rows})
    series = [
        Series(
            model,
            _by_day(
                days,
                (
                    (row.day, row.granted_nanos + row.paid_nanos)
                    for row in rows
                    if row.model == model
                ),
            ),
        )
        for model in models
    ]
    series.sort(key=lambda each: -each.total)
    return Expense(
        currency=currency,
        total_nanos=sum(each.total for each in series),
        granted_nanos=sum(row.granted_nanos for row in rows),
        series=tuple(series),
    )


def _cost(row: UsageRow) -> int:
    return row.granted_nanos + row.paid_nanos


def _model_usage(model: str, rows: Sequence[UsageRow], days: Sequence[date]) -> ModelUsage:
    hit = Series("hit", _by_day(days, ((row.day, row.hit_tokens) for row in rows)))
    miss = Series("miss", _by_day(days, ((row.day, row.miss_tokens) for row in rows)))
    output = Series("output", _by_day(days, ((row.day, row.output_tokens) for row in rows)))
    requests = Series("requests", _by_day(days, ((row.day, row.num_requests) for row in rows)))
    return ModelUsage(
        model=model,
        num_requests=requests.total,
        hit_tokens=hit.total,
        miss_tokens=miss.total,
        output_tokens=output.total,
        requests=requests,
        tokens=(hit, miss, output),
    )


def _by_day(days: Sequence[date], values: Iterable[tuple[date, int]]) -> tuple[int, ...]:
    sums = dict.fromkeys(days, 0)
    for day, value in values:
        sums[day] += value
    return tuple(sums.values())


USAGE = View(
    "/usage",
    "usage.html",
    load_usage,
    "A month's usage by day, model and kind of token, with the balances.",
    query=UsageQuery,
)

VIEWS = (USAGE,)
DOWNLOADS = (
    Download(
        "/usage/export",
        export_usage,
        "A month's usage as a zip of two CSV files.",
        query=UsageQuery,
    ),
)
