"""Prices for operators: what is in force, what comes, where it stands written, and the announcement
of new ones, which are looked at beside the old ones first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from whalefall.accounts.audit import Actor, record_action
from whalefall.base.money import Currency
from whalefall.billing.announced_prices import (
    LEAD_TIME,
    AnnouncedPrice,
    list_announced,
    told,
    withdraw_price,
)
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.price_book import ListedPrice, NoPriceError, PriceBook
from whalefall.billing.price_changes import NOTE_LENGTH_MAX, PriceChange, PriceOrder
from whalefall.billing.price_changes import announce as announce_price
from whalefall.billing.price_changes import compare as compare_prices
from whalefall.billing.price_texts import PriceTexts, draft_from_texts
from whalefall.billing.price_timeline import PricePeriod, timelines
from whalefall.billing.pricing import Price, TokenCounts, cost_nanos
from whalefall.console.language import mark
from whalefall.console.pages.pricing import WEEKDAY_NAMES, Hours, PriceState, hours_of, state_of
from whalefall.console.routing import Action, View, redirect
from whalefall.console.session import Standing, Visit

EXAMPLE = TokenCounts(hit=1_000_000, miss=1_000_000, output=500_000)
"""A thousand requests with 2,000 tokens of input, half of it cached, and 500 of output."""
Figure = Annotated[str, msgspec.Meta(max_length=100)]
Moment = Annotated[str, msgspec.Meta(max_length=40)]
Name = Annotated[str, msgspec.Meta(max_length=100)]
REFUSALS = (
    mark("Nobody is charged by that model name."),
    mark(
        "A price is written like 0.28: from 0 to 1000000 per million tokens, with at most six "
        "decimal places."
    ),
    mark("An instant is written like 2027-01-31 16:00, and is meant in UTC."),
    mark("A price is announced at least five minutes before it is in force."),
    mark("The price would end before it begins."),
    mark("A price is announced at most ten years ahead."),
    mark("There is no rule for hours of that name."),
    mark("A remark is one line of at most 200 characters."),
    mark(
        "Another price of this model and currency begins at the same instant. Withdraw that one, "
        "or choose another instant."
    ),
    mark("The prices have changed since. Please look at them again."),
    mark(
        "A price can be withdrawn until two minutes before it is in force. Announce another one; "
        "what was charged too much in between can be credited by re-rating."
    ),
)
"""What billing refuses, for the translation."""


class PricesQuery(msgspec.Struct, frozen=True):
    currency: Currency = Currency.CNY
    model: Name = ""
    """Whose price the form begins with."""


class PriceFields(msgspec.Struct, frozen=True):
    model: Name
    currency: Currency
    hit: Figure
    """Per million tokens, such as `0.28`: a text, so that it is no float."""
    miss: Figure
    output: Figure
    effective_from: Moment
    """`2027-01-31T16:00`, in UTC unless it says otherwise."""
    effective_to: Moment = ""
    """Empty: until something else goes before it."""
    window: Name = ""
    """A rule for hours by its name; empty: at all hours."""
    note: Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH_MAX)] = ""


class NewPrice(PriceFields, frozen=True, kw_only=True):
    digest: Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
    """Of the comparison that was looked at; another one since then is a refusal."""


class PriceName(msgspec.Struct, frozen=True):
    announced_id: Annotated[str, msgspec.Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class PriceLine:
    price: Price
    state: PriceState
    is_charged_now: bool
    """In force at this minute."""
    begins: datetime
    ends: datetime | None
    hours: Hours | None
    source: str
    """The file it stands in, or `announced`."""
    note: str
    announced_id: str | None
    """Where it can still be withdrawn."""


@dataclass(frozen=True, slots=True)
class HoursRule:
    name: str
    hours: Hours


@dataclass(frozen=True, slots=True)
class AnnouncedLine:
    announced: AnnouncedPrice
    can_be_withdrawn: bool
    is_in_force_or_over: bool


@dataclass(frozen=True, slots=True)
class OperatorPricesPage:
    currency: Currency
    models: tuple[str, ...]
    lines: tuple[PriceLine, ...]
    """By model, what is in force and what comes."""
    history: tuple[PriceLine, ...]
    """What is over."""
    rules: tuple[HoursRule, ...]
    announced: tuple[AnnouncedLine, ...]
    """In either currency, with those withdrawn."""
    model: str
    """What the form begins with: a model and its price now."""
    price: Price | None
    lead_minutes: int
    weekday_names: tuple[str, ...] = WEEKDAY_NAMES


@dataclass(frozen=True, slots=True)
class ComparedLine:
    price: Price
    hours: Hours | None
    source: str
    example_nanos: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The draft beside what it would replace; nothing is announced yet."""

    before: tuple[ComparedLine, ...]
    after: tuple[ComparedLine, ...]
    effective_from: datetime
    ends: datetime | None
    displaced: tuple[ComparedLine, ...]
    digest: str


async def load_prices(visit: Visit, query: PricesQuery) -> OperatorPricesPage:
    return await visit.database.read(_load, visit.context.prices, query, visit.now)


async def look(visit: Visit, fields: PriceFields) -> Compared:
    order = _order(fields)
    return await visit.database.read(_compare, visit.context.prices, order, visit.now)


async def announce(visit: Visit, fields: NewPrice) -> AnnouncedPrice:
    order = dataclasses.replace(_order(fields), digest=fields.digest)
    prices = visit.context.prices
    announced = await visit.database.write(_announce, prices, order, visit.actor, visit.now)
    await visit.database.read(prices.read, visit.now)
    return announced


async def withdraw(visit: Visit, fields: PriceName) -> AnnouncedPrice:
    announced = await visit.database.write(_withdraw, fields.announced_id, visit.actor, visit.now)
    await visit.database.read(visit.context.prices.read, visit.now)
    return announced


def _order(fields: PriceFields) -> PriceOrder:
    texts = {name: getattr(fields, name) for name in PriceTexts.__slots__}
    return PriceOrder(draft_from_texts(PriceTexts(**texts)))


def _load(
    conn: Connection, prices: CurrentPrices, query: PricesQuery, now: datetime
) -> OperatorPricesPage:
    book = prices.read(conn, now)
    announced = list_announced(conn, with_withdrawn=True)
    by_price = {each.price.id: each for each in announced}
    lines = [_line(period, book, by_price, now) for period in timelines(book, query.currency)]
    models = book.models()
    model = query.model if query.model in models else ""
    return OperatorPricesPage(
        currency=query.currency,
        models=models,
        lines=tuple(line for line in lines if line.state is not PriceState.PAST),
        history=tuple(line for line in lines if line.state is PriceState.PAST),
        rules=tuple(HoursRule(name, hours_of(each)) for name, each in book.windows.items()),
        announced=tuple(
            AnnouncedLine(each, each.can_be_withdrawn(now), each.effective_from <= now)
            for each in announced
        ),
        model=model,
        price=_price_now(book, model, query.currency, now),
        lead_minutes=LEAD_TIME.seconds // 60,
    )


def _line(
    period: PricePeriod, book: PriceBook, by_price: Mapping[str, AnnouncedPrice], now: datetime
) -> PriceLine:
    entry = period.entry
    price = entry.price
    announced = by_price.get(price.id)
    can_withdraw = announced is not None and announced.can_be_withdrawn(now)
    return PriceLine(
        price=price,
        state=state_of(period, now),
        is_charged_now=_price_now(book, price.model, price.currency, now) == price,
        begins=period.begins,
        ends=period.ends,
        hours=hours_of(entry.window) if entry.window else None,
        source=entry.source,
        note=entry.note,
        announced_id=announced.id if announced and can_withdraw else None,
    )


def _price_now(book: PriceBook, model: str, currency: Currency, now: datetime) -> Price | None:
    try:
        return book.price_at(model, currency, now)
    except NoPriceError:
        return None


def _compare(conn: Connection, prices: CurrentPrices, order: PriceOrder, now: datetime) -> Compared:
    change: PriceChange = compare_prices(prices.read(conn, now), order, now)
    return Compared(
        before=tuple(map(_compared, change.before)),
        after=tuple(map(_compared, change.after)),
        effective_from=change.draft.effective_from,
        ends=change.ends,
        displaced=tuple(map(_compared, change.displaced)),
        digest=change.digest,
    )


def _compared(entry: ListedPrice) -> ComparedLine:
    hours = hours_of(entry.window) if entry.window else None
    return ComparedLine(entry.price, hours, entry.source, cost_nanos(entry.price, EXAMPLE))


def _announce(
    conn: Connection, prices: CurrentPrices, order: PriceOrder, actor: Actor, now: datetime
) -> AnnouncedPrice:
    announced = announce_price(conn, prices, order, actor.id or "", now)
    record_action(conn, actor, "price.announced", announced.id, now, told(announced.draft))
    return announced


def _withdraw(conn: Connection, announced_id: str, actor: Actor, now: datetime) -> AnnouncedPrice:
    announced = withdraw_price(conn, announced_id, now)
    record_action(conn, actor, "price.withdrawn", announced.id, now, told(announced.draft))
    return announced


def _back(notice: str, visit: Visit, announced: AnnouncedPrice) -> Response:
    currency = announced.price.currency
    return redirect(visit, f"/operator/prices?currency={currency}&notice={notice}")


PRICES = View(
    "/operator/prices",
    "operator/prices.html",
    load_prices,
    "Every model's price in force, what comes next and what was before, and where it is written.",
    query=PricesQuery,
    standing=Standing.OPERATOR,
)

VIEWS = (PRICES,)
ACTIONS = (
    Action(
        "/operator/prices/look",
        look,
        PRICES,
        "Lay a new price beside what it would replace, with an example; nothing is announced.",
        fields=PriceFields,
        keeps_fields=True,
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/prices",
        announce,
        PRICES,
        "Announce a price that was looked at.",
        fields=NewPrice,
        then=lambda visit, announced: _back("price_announced", visit, announced),
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/prices/{announced_id}/withdraw",
        withdraw,
        PRICES,
        "Withdraw an announced price, until two minutes before it is in force.",
        fields=PriceName,
        then=lambda visit, announced: _back("price_withdrawn", visit, announced),
        standing=Standing.OPERATOR,
    ),
)
