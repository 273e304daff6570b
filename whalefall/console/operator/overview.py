"""The operator's first page: the month at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus

from sqlalchemy import Connection

from whalefall.accounts.directory import num_users
from whalefall.base.activity_log import AnswerDay, answers_between, recent_loads
from whalefall.base.money import Currency
from whalefall.billing.overview import DayTotal, DayTotalsCache, num_active_users
from whalefall.billing.reconciliation import Reconciliation, alarm
from whalefall.console.charts import Series
from whalefall.console.operator.models import recent_slots, speeds
from whalefall.console.pages.usage import UsageQuery, month_from
from whalefall.console.routing import View
from whalefall.console.session import Standing, Visit
from whalefall.console.usage_export import Month

NUM_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Revenue:
    currency: Currency
    paid_nanos: int
    granted_nanos: int
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class OverviewPage:
    month: str
    months: tuple[str, ...]
    days: tuple[date, ...]
    num_users: int
    num_active_users: int
    num_requests: int
    hit_tokens: int
    prompt_tokens: int
    output_tokens: int
    revenues: tuple[Revenue, ...]
    num_answers: int
    num_errors: int
    requests: tuple[Series, ...]
    tokens: tuple[Series, ...]
    hit_rates: Series
    """In tenths of a percent of the input tokens."""
    errors: tuple[Series, ...]
    """Answers of the API with a status from 400 up, by status."""
    slots: tuple[datetime, ...]
    speeds: tuple[Series, ...]
    """Generated tokens per second over the last day, in thousandths, by model."""
    alarm: Reconciliation | None
    """The last reconciliation, when it found differences or is too long ago."""


async def load_overview(visit: Visit, query: UsageQuery) -> OverviewPage:
    month = month_from(query.month, visit.now)
    known = visit.console.day_totals
    return await visit.database.read(_overview, month, visit.now, known)


def _overview(conn: Connection, month: Month, now: datetime, known: DayTotalsCache) -> OverviewPage:
    today = now.date()
    totals = known.totals(conn, month.first_day, min(month.last_day, today), today)
    days = month.days
    kinds = [
        _series("hit", totals, days, lambda total: total.hit_tokens),
        _series("miss", totals, days, lambda total: total.miss_tokens),
        _series("output", totals, days, lambda total: total.output_tokens),
    ]
    models = sorted({total.model for total in totals})
    by_model = [
        _series(model, [each for each in totals if each.model == model], days, _requests)
        for model in models
    ]
    answers = answers_between(conn, month.first_day, month.last_day)
    errors = _error_series(answers, days)
    slots = recent_slots(now)
    return OverviewPage(
        month=str(month),
        months=tuple(_months(Month.of(today), month)),
        days=tuple(days),
        num_users=num_users(conn),
        num_active_users=num_active_users(conn, today, today),
        num_requests=sum(total.num_requests for total in totals),
        hit_tokens=kinds[0].total,
        prompt_tokens=kinds[0].total + kinds[1].total,
        output_tokens=kinds[2].total,
        revenues=tuple(
            _revenue(currency, [each for each in totals if each.currency is currency], days)
            for currency in Currency
            if any(each.currency is currency for each in totals)
        ),
        num_answers=sum(each.num_answers for each in answers),
        num_errors=sum(each.total for each in errors),
        requests=tuple(sorted(by_model, key=lambda each: -each.total)),
        tokens=tuple(kinds),
        hit_rates=_hit_rates(kinds[0], kinds[1]),
        errors=errors,
        slots=slots,
        speeds=speeds(recent_loads(conn, now), slots),
        alarm=alarm(conn, now),
    )


def _revenue(currency: Currency, totals: Sequence[DayTotal], days: Sequence[date]) -> Revenue:
    paid = _series("paid", totals, days, lambda total: total.paid_nanos)
    granted = _series("granted", totals, days, lambda total: total.granted_nanos)
    return Revenue(currency, paid.total, granted.total, (paid, granted))


def _hit_rates(hits: Series, misses: Series) -> Series:
    pairs = zip(hits.values, misses.values, strict=True)
    return Series(
        "hit_rate", tuple(1000 * hit // (hit + miss) if hit + miss else 0 for hit, miss in pairs)
    )


def _error_series(answers: Sequence[AnswerDay], days: Sequence[date]) -> tuple[Series, ...]:
    by_status: dict[int, dict[date, int]] = {}
    for each in answers:
        if each.status >= HTTPStatus.BAD_REQUEST:
            by_status.setdefault(each.status, dict.fromkeys(days, 0))[each.day] += each.num_answers
    found = [Series(str(status), tuple(sums.values())) for status, sums in by_status.items()]
    return tuple(sorted(found, key=lambda each: (-each.total, each.name)))


def _requests(total: DayTotal) -> int:
    return total.num_requests


def _series(
    name: str,
    totals: Sequence[DayTotal],
    days: Sequence[date],
    value: Callable[[DayTotal], int],
) -> Series:
    sums = dict.fromkeys(days, 0)
    for total in totals:
        sums[total.day] += value(total)
    return Series(name, tuple(sums.values()))


def _months(current: Month, chosen: Month) -> list[str]:
    months = {str(chosen)}
    month = current
    for _ in range(NUM_MONTHS):
        months.add(str(month))
        month = month.previous
    return sorted(months, reverse=True)


VIEWS = (
    View(
        "/operator/overview",
        "operator/overview.html",
        load_overview,
        "A month of the whole platform.",
        query=UsageQuery,
        standing=Standing.OPERATOR,
    ),
)
