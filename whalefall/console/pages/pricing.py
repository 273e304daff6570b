"""Prices: what holds now, what held before, and what a text would cost. Open to everyone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from whalefall.base.money import Currency
from whalefall.billing.price_book import ListedPrice, NoPriceError, PriceBook
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


@dataclass(frozen=True, slots=True)
class HistoryLine:
    model: str
    effective_from: datetime
    effective_to: datetime | None
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
    history: tuple[HistoryLine, ...]
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
    return PricingPage(
        currency=currency,
        models=models,
        current=current_prices(book, models, currency, visit.now),
        history=price_history(book, currency),
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


def price_history(book: PriceBook, currency: Currency) -> tuple[HistoryLine, ...]:
    """Every listed price with the instant at which it ended: its own, or its successor's start."""
    entries = [entry for entry in book.listed() if entry.price.currency is currency]
    return tuple(_line(entry, entries) for entry in entries)


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


def _line(entry: ListedPrice, entries: Sequence[ListedPrice]) -> HistoryLine:
    successors = [
        other.effective_from
        for other in entries
        if other.price.model == entry.price.model
        and (other.window is None) == (entry.window is None)
        and other.effective_from > entry.effective_from
    ]
    ends = [*successors, *([entry.effective_to] if entry.effective_to else [])]
    return HistoryLine(
        entry.price.model,
        entry.effective_from,
        min(ends, default=None),
        None if entry.window is None else hours_of(entry.window),
        entry.note,
        entry.price,
    )


PRICING = View(
    "/pricing",
    "pricing.html",
    load_pricing,
    "Prices per million tokens: now, and all there have been.",
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
