"""Prices an operator announced: kept in the database, in force from an instant that still lies
ahead, withdrawn until shortly before it, and never edited.

Every process reads the list anew more often than LIST_AGE_MAX, and charges by no older one. That is
why a change is announced LEAD_TIME before it is in force and can be withdrawn no later than
LIST_AGE_MAX before it: at that instant everybody knows of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.price_book import ANNOUNCED
from whalefall.billing.price_versions import register_prices
from whalefall.billing.price_windows import PriceWindow, table_from_window
from whalefall.billing.pricing import PRICE_MICROS_MAX, Price, text_from_micros

LEAD_TIME = timedelta(minutes=5)
LIST_AGE_MAX = timedelta(minutes=2)

announced_prices = Table(
    "announced_prices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("price_id", Text, ForeignKey("price_versions.id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("hit_micros", BigInteger, nullable=False),
    Column("miss_micros", BigInteger, nullable=False),
    Column("output_micros", BigInteger, nullable=False),
    Column("effective_from", Instant, nullable=False),
    Column("effective_to", Instant),
    Column("window_name", Text),
    Column("window_rule", Text),
    Column("note", Text, nullable=False),
    Column("announced_at", Instant, nullable=False),
    Column("announced_by", Text, nullable=False),
    Column("withdrawn_at", Instant),
    CheckConstraint(
        " AND ".join(
            f"{name} BETWEEN 0 AND {PRICE_MICROS_MAX}"
            for name in ("hit_micros", "miss_micros", "output_micros")
        ),
        name="figures_in_range",
    ),
    CheckConstraint("effective_from > announced_at", name="announced_before"),
    CheckConstraint("effective_to > effective_from", name="ends_after_it_begins"),
    CheckConstraint("withdrawn_at < effective_from", name="withdrawn_before"),
    CheckConstraint("(window_name IS NULL) = (window_rule IS NULL)", name="window_with_rule"),
    Index(
        "uq_announced_prices_plain",
        "model",
        "currency",
        "effective_from",
        unique=True,
        sqlite_where=text("withdrawn_at IS NULL AND window_name IS NULL"),
        postgresql_where=text("withdrawn_at IS NULL AND window_name IS NULL"),
    ),
    Index(
        "uq_announced_prices_hours",
        "model",
        "currency",
        "effective_from",
        unique=True,
        sqlite_where=text("withdrawn_at IS NULL AND window_name IS NOT NULL"),
        postgresql_where=text("withdrawn_at IS NULL AND window_name IS NOT NULL"),
    ),
)


@dataclass(frozen=True, slots=True)
class PriceDraft:
    """What an operator would like to announce."""

    model: str
    currency: Currency
    hit_micros: int
    miss_micros: int
    output_micros: int
    effective_from: datetime
    effective_to: datetime | None = None
    window: str = ""
    """The name of a rule for hours in the price book; empty: at all hours."""
    note: str = ""
    """Shown to everyone beside the price."""


@dataclass(frozen=True, slots=True)
class AnnouncedPrice:
    id: str
    price: Price
    effective_from: datetime
    effective_to: datetime | None
    window_name: str | None
    window_rule: str | None
    """As JSON, so that it stays what it was when a file changes. Holidays stay those of the
    calendar it names: a year that is added there counts."""
    note: str
    announced_at: datetime
    announced_by: str
    """The id of the operator's account, or `command line`."""
    withdrawn_at: datetime | None = None

    @property
    def draft(self) -> PriceDraft:
        """As it was asked for."""
        price = self.price
        return PriceDraft(
            model=price.model,
            currency=price.currency,
            hit_micros=price.hit_micros,
            miss_micros=price.miss_micros,
            output_micros=price.output_micros,
            effective_from=self.effective_from,
            effective_to=self.effective_to,
            window=self.window_name or "",
            note=self.note,
        )

    def can_be_withdrawn(self, now: datetime) -> bool:
        return self.withdrawn_at is None and self.effective_from - now >= LIST_AGE_MAX


def told(draft: PriceDraft) -> str:
    """For the audit log: all that counts of it, in one line."""
    figures = (draft.hit_micros, draft.miss_micros, draft.output_micros)
    ends = f" to {draft.effective_to.isoformat()}" if draft.effective_to else ""
    hours = f" in {draft.window}" if draft.window else ""
    return (
        f"{draft.model} {draft.currency} {' / '.join(map(text_from_micros, figures))} "
        f"from {draft.effective_from.isoformat()}{ends}{hours}"
    )


def announced_price(
    draft: PriceDraft, window: PriceWindow | None, announced_by: str, now: datetime
) -> AnnouncedPrice:
    """The draft as it would be kept. Nothing is kept yet."""
    name = new_id(ANNOUNCED)
    price = Price(
        id=f"{name}/{draft.model}/{draft.currency}",
        model=draft.model,
        currency=draft.currency,
        hit_micros=draft.hit_micros,
        miss_micros=draft.miss_micros,
        output_micros=draft.output_micros,
    )
    return AnnouncedPrice(
        id=name,
        price=price,
        effective_from=draft.effective_from,
        effective_to=draft.effective_to,
        window_name=window.name if window else None,
        window_rule=json.dumps(table_from_window(window)) if window else None,
        note=draft.note,
        announced_at=now,
        announced_by=announced_by,
    )


def keep_announced(conn: Connection, announced: AnnouncedPrice) -> bool:
    """Write it down, with what its price id means; the caller has checked it against the book.
    False when another process was first with a price that begins at the same instant."""
    register_prices(conn, [announced.price])
    price = announced.price
    values = {name: getattr(announced, name) for name in AnnouncedPrice.__slots__}
    del values["price"]
    statement = insert(announced_prices).values(
        **values,
        price_id=price.id,
        model=price.model,
        currency=price.currency.value,
        hit_micros=price.hit_micros,
        miss_micros=price.miss_micros,
        output_micros=price.output_micros,
    )
    added = statement.on_conflict_do_nothing().returning(announced_prices.c.id)
    return conn.execute(added).one_or_none() is not None


def withdraw_price(conn: Connection, announced_id: str, now: datetime) -> AnnouncedPrice:
    """It will never have been in force. NotFoundError for an unknown one and for one withdrawn
    already, InvalidRequestError when it is too late."""
    query = _QUERY.where(
        announced_prices.c.id == announced_id, announced_prices.c.withdrawn_at.is_(None)
    )
    row = conn.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no announced price {announced_id}")
    announced = _from_row(row)
    if not announced.can_be_withdrawn(now):
        raise InvalidRequestError(TOO_LATE)
    mine = update(announced_prices).where(announced_prices.c.id == announced_id)
    conn.execute(mine.values(withdrawn_at=now))
    return announced


def list_announced(conn: Connection, *, with_withdrawn: bool = False) -> list[AnnouncedPrice]:
    """All there ever were, the one that begins last first."""
    query = _QUERY.order_by(announced_prices.c.effective_from.desc(), announced_prices.c.id)
    if not with_withdrawn:
        query = query.where(announced_prices.c.withdrawn_at.is_(None))
    return [_from_row(row) for row in conn.execute(query)]


TOO_LATE = (
    "A price can be withdrawn until two minutes before it is in force. Announce another one; what "
    "was charged too much in between can be credited by re-rating."
)

_PRICE_COLUMNS = ("price_id", "model", "currency", "hit_micros", "miss_micros", "output_micros")
_OTHER_COLUMNS = tuple(name for name in AnnouncedPrice.__slots__ if name not in ("id", "price"))
_QUERY = select(
    announced_prices.c.id,
    *(announced_prices.c[name] for name in (*_PRICE_COLUMNS, *_OTHER_COLUMNS)),
)


def _from_row(row: Row[Any]) -> AnnouncedPrice:
    announced_id, price_id, model, currency, hit, miss, output, *rest = tuple(row)
    price = Price(price_id, model, Currency(currency), hit, miss, output)
    return AnnouncedPrice(announced_id, price, *rest)
