"""Prices: what holds now, what held before, and what a text would cost. Open to everyone."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from whalefall.base.money import Currency
from whalefall.billing.price_book import NoPriceError, PriceBook
from whalefall.billing.price_timeline import PricePeriod, timelines
from whalefall.billing.price_windows import PriceWindow
from whalefall.billing.pricing import Price, TokenCounts, cost_nanos
from whalefall.console.forms import RefusedError
from whalefall.console.language import Language, mark
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit
from whalefall.serving.platform import Base

CALCULATOR_TEXT_MAX = 100_000
NUM_WEEKDAYS = 7
WEEKDAY_NAMES = (
    mark("Mon"),
    mark("Tue"),
    mark("Wed"),
    mark("Thu"),
    mark("Fri"),
    mark("Sat"),
    mark("Sun"),
)
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class PricingQuery(msgspec.Struct, frozen=True):
    currency: Currency | None = None


class Estimate(msgspec.Struct, frozen=True):
    model: Annotated[str, msgspec.Meta(max_length=100)] = ""
    currency: Currency = Currency.CNY
    text: Annotated[str, msgspec.Meta(max_length=CALCULATOR_TEXT_MAX)] = ""
    hit_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """How much of the prompt is expected in the context cache."""
    output_tokens: Count = 0
    num_requests: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1


@dataclass(frozen=True, slots=True)
class Hours:
    """When, within its dates, a price holds."""

    spans: tuple[str, ...]
    """`00:30–08:30`, in local time."""
    offset: str
    """Of that local time: `UTC+08:00`."""
    weekdays: tuple[int, ...]
    """0 is Monday; empty: every day."""
    skips_holidays: bool


class PriceState(enum.StrEnum):
    PAST = "past"
    NOW = "now"
    """Of hours: that its days have come, whatever the hour is."""
    COMING = "coming"


@dataclass(frozen=True, slots=True)
class HistoryLine:
    model: str
    state: PriceState
    effective_from: datetime
    effective_to: datetime | None
    """Its own end, or when another price goes before it."""
    window: Hours | None
    note: str
    price: Price


@dataclass(frozen=True, slots=True)
class PricingPage:
    currency: Currency
    models: tuple[str, ...]
    """Served here, in listing order."""
    current: tuple[Price, ...]
    """What each of them costs at this moment, where a price is listed."""
    coming: tuple[HistoryLine, ...]
    """What is listed or announced for later, the next one first."""
    history: tuple[HistoryLine, ...]
    """What was and is."""
    can_count: bool
    weekday_names: tuple[str, ...] = WEEKDAY_NAMES


@dataclass(frozen=True, slots=True)
class Estimated:
    model: str
    currency: Currency
    prompt_tokens: int
    hit_tokens: int
    output_tokens: int
    num_requests: int
    cost_nanos: int


async def load_pricing(visit: Visit, query: PricingQuery) -> PricingPage:
    currency = query.currency or _own_currency(visit)
    book = visit.context.price_book
    models = visit.context.platform.models(Base())
    lines = price_lines(book, currency, visit.now)
    coming = [line for line in lines if line.state is PriceState.COMING]
    return PricingPage(
        currency=currency,
        models=models,
        current=current_prices(book, models, currency, visit.now),
        coming=tuple(sorted(coming, key=lambda line: line.effective_from)),
        history=tuple(line for line in lines if line.state is not PriceState.COMING),
        can_count=visit.context.count_tokens is not None,
    )


async def estimate(visit: Visit, fields: Estimate) -> Estimated:
    count_tokens = visit.context.count_tokens
    if count_tokens is None:
        raise RefusedError(mark("No model is loaded that could count tokens."))
    try:
        price = visit.context.price_book.price_at(fields.model, fields.currency, visit.now)
    except NoPriceError:
        raise RefusedError(mark("There is no price for that model.")) from None
    prompt = count_tokens(fields.text) if fields.text else 0
    hit = prompt * fields.hit_percent // 100
    counts = TokenCounts(hit, prompt - hit, fields.output_tokens)
    return Estimated(
        fields.model,
        fields.currency,
        prompt,
        hit,
        fields.output_tokens,
        fields.num_requests,
        cost_nanos(price, counts) * fields.num_requests,
    )


def current_prices(
    book: PriceBook, models: tuple[str, ...], currency: Currency, now: datetime
) -> tuple[Price, ...]:
    found = []
    for model in models:
        try:
            found.append(book.price_at(model, currency, now))
        except NoPriceError:
            continue
    return tuple(found)


def _own_currency(visit: Visit) -> Currency:
    if visit.standing >= Standing.SIGNED_IN:
        return visit.person.currency
    return Currency.CNY if visit.language is Language.CHINESE else Currency.USD


def price_lines(book: PriceBook, currency: Currency, now: datetime) -> tuple[HistoryLine, ...]:
    """Every price there was, is or will be, by model and then by time."""
    return tuple(_line(period, now) for period in timelines(book, currency))


def state_of(period: PricePeriod, now: datetime) -> PriceState:
    if period.is_past(now):
        return PriceState.PAST
    return PriceState.COMING if period.is_coming(now) else PriceState.NOW


def hours_of(window: PriceWindow) -> Hours:
    minutes = int(window.offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    is_daily = len(window.weekdays) == NUM_WEEKDAYS
    return Hours(
        spans=tuple(f"{start:%H:%M}–{end:%H:%M}" for start, end in window.spans),
        offset=f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
        weekdays=() if is_daily else tuple(sorted(window.weekdays)),
        skips_holidays=window.calendar is not None,
    )


def _line(period: PricePeriod, now: datetime) -> HistoryLine:
    entry = period.entry
    return HistoryLine(
        entry.price.model,
        state_of(period, now),
        period.begins,
        period.ends,
        None if entry.window is None else hours_of(entry.window),
        entry.note,
        entry.price,
    )


PRICING = View(
    "/pricing",
    "pricing.html",
    load_pricing,
    "Prices per million tokens: now, those to come, and all there have been.",
    query=PricingQuery,
    standing=Standing.VISITOR,
)

VIEWS = (PRICING,)
ACTIONS = (
    Action(
        "/pricing",
        estimate,
        PRICING,
        "Count a text's tokens and what requests with it would cost at the moment.",
        fields=Estimate,
        keeps_fields=True,
        standing=Standing.VISITOR,
    ),
)
