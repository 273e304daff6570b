"""What was used: one record per request, and sums per day kept in the same transaction.

A record holds the counts, the price and the instant that chose it, so that every charge can be
worked out again from what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.accounts.api_keys import api_keys
from whalefall.base.money import Currency
from whalefall.base.statements import Prepared
from whalefall.base.tables import Instant, metadata, micros_from_instant
from whalefall.billing.ledger import Settlement, settle
from whalefall.billing.price_versions import price_versions
from whalefall.billing.pricing import PRICE_RULE, Price, TokenCounts, cost_nanos

usage_records = Table(
    "usage_records",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("api_key_id", Text, ForeignKey("api_keys.id"), nullable=False),
    Column("model_asked", Text, nullable=False),
    Column("model_billed", Text, nullable=False),
    Column("price_id", Text, ForeignKey("price_versions.id"), nullable=False),
    Column("price_rule", Text, nullable=False),
    Column("hit_tokens", BigInteger, nullable=False),
    Column("miss_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("granted_nanos", BigInteger, nullable=False),
    Column("paid_nanos", BigInteger, nullable=False),
    Column("uncollected_nanos", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint(
        "hit_tokens >= 0 AND miss_tokens >= 0 AND output_tokens >= 0", name="tokens_in_range"
    ),
    CheckConstraint(
        "granted_nanos >= 0 AND paid_nanos >= 0 AND uncollected_nanos >= 0",
        name="cost_in_range",
    ),
    Index(None, "user_id", "created_at"),
)

usage_daily = Table(
    "usage_daily",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("api_key_id", Text, ForeignKey("api_keys.id"), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("price_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("num_requests", BigInteger, nullable=False),
    Column("hit_tokens", BigInteger, nullable=False),
    Column("miss_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("granted_nanos", BigInteger, nullable=False),
    Column("paid_nanos", BigInteger, nullable=False),
    Index(None, "user_id", "day"),
)


@dataclass(frozen=True, slots=True)
class Usage:
    """One finished request, before it is charged."""

    request_id: str
    """Also the id of its hold."""
    user_id: str
    api_key_id: str
    model_asked: str
    price: Price
    """Its model is the one billed."""
    counts: TokenCounts
    received_at: datetime
    """The instant that chose the price, and the day the usage counts for."""


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One charged request, as stored."""

    request_id: str
    user_id: str
    api_key_id: str
    model_asked: str
    model_billed: str
    price_id: str
    price_rule: str
    hit_tokens: int
    miss_tokens: int
    output_tokens: int
    currency: Currency
    granted_nanos: int
    paid_nanos: int
    uncollected_nanos: int
    """What the price asks beyond what the hold could pay; zero unless something went wrong."""
    created_at: datetime

    @property
    def cost_nanos(self) -> int:
        return self.granted_nanos + self.paid_nanos


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A day of one key, model and price: the line of an export."""

    day: date
    user_id: str
    api_key_id: str
    api_key_name: str
    masked_key: str
    model: str
    price_id: str
    currency: Currency
    num_requests: int
    hit_tokens: int
    miss_tokens: int
    output_tokens: int
    granted_nanos: int
    paid_nanos: int
    hit_micros: int
    """This and the next two: the price per million tokens it was charged at."""
    miss_micros: int
    output_micros: int


def charge(conn: Connection, usage: Usage, now: datetime) -> Settlement:
    """Settle the request's hold at the price's cost and write its record, together and once.

    The one way a finished request is billed: whoever calls it again, from the request's own task
    or from a sweep after a crash, changes nothing."""
    rated_nanos = cost_nanos(usage.price, usage.counts)
    settlement = settle(conn, usage.request_id, rated_nanos, now)
    held = settlement.hold
    assert (held.user_id, held.currency) == (usage.user_id, usage.price.currency), (
        f"the hold {held.hold_id} was not made for this usage"
    )
    record_usage(conn, _record(usage, settlement, rated_nanos))
    return settlement


def record_usage(conn: Connection, record: UsageRecord) -> bool:
    """Write the record and add it to its day. False, and nothing changed, when the request has
    one already."""
    row = {name: getattr(record, name) for name in UsageRecord.__slots__}
    row["currency"] = record.currency.value
    row["created_at"] = micros_from_instant(record.created_at)
    if _INSERT.run(conn, row) == 0:
        return False
    _ADD_TO_DAY.run(
        conn,
        {
            "day": number_from_day(record.created_at.astimezone(UTC).date()),
            "user_id": record.user_id,
            "api_key_id": record.api_key_id,
            "model": record.model_asked,
            "price_id": record.price_id,
            "currency": record.currency.value,
            "num_requests": 1,
            "hit_tokens": record.hit_tokens,
            "miss_tokens": record.miss_tokens,
            "output_tokens": record.output_tokens,
            "granted_nanos": record.granted_nanos,
            "paid_nanos": record.paid_nanos,
        },
    )
    return True


def usage_rows(
    conn: Connection, first: date, last: date, *, user_id: str | None = None
) -> Iterator[UsageRow]:
    """Daily sums from the first to the last day, both included, in UTC; of one user or of all.
    By day, user, key, model and price."""
    query = (
        select(*_ROW_COLUMNS)
        .join(api_keys, api_keys.c.id == usage_daily.c.api_key_id)
        .join(price_versions, price_versions.c.id == usage_daily.c.price_id)
        .where(usage_daily.c.day.between(number_from_day(first), number_from_day(last)))
        .order_by(*usage_daily.primary_key.columns)
    )
    if user_id is not None:
        query = query.where(usage_daily.c.user_id == user_id)
    for row in conn.execute(query).mappings():
        day, currency = _day_from_number(row["day"]), Currency(row["currency"])
        yield UsageRow(**{**row, "day": day, "currency": currency})


def usage_records_of(
    conn: Connection, user_id: str, *, limit: int = 100, before: datetime | None = None
) -> list[UsageRecord]:
    """A user's latest requests, newest first; pass the last instant seen to go on."""
    columns = [usage_records.c[name] for name in UsageRecord.__slots__]
    query = select(*columns).where(usage_records.c.user_id == user_id)
    if before is not None:
        query = query.where(usage_records.c.created_at < before)
    newest = query.order_by(usage_records.c.created_at.desc(), usage_records.c.request_id)
    return [
        UsageRecord(**{**row, "currency": Currency(row["currency"])})
        for row in conn.execute(newest.limit(limit)).mappings()
    ]


def _record(usage: Usage, settlement: Settlement, rated_nanos: int) -> UsageRecord:
    return UsageRecord(
        request_id=usage.request_id,
        user_id=usage.user_id,
        api_key_id=usage.api_key_id,
        model_asked=usage.model_asked,
        model_billed=usage.price.model,
        price_id=usage.price.id,
        price_rule=PRICE_RULE,
        hit_tokens=usage.counts.hit,
        miss_tokens=usage.counts.miss,
        output_tokens=usage.counts.output,
        currency=usage.price.currency,
        granted_nanos=settlement.granted_nanos,
        paid_nanos=settlement.paid_nanos,
        uncollected_nanos=max(0, rated_nanos - settlement.cost_nanos),
        created_at=usage.received_at,
    )


def number_from_day(day: date) -> int:
    """Days are stored as the number they are written with: 20260115."""
    return day.year * 10_000 + day.month * 100 + day.day


def _day_from_number(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


SUMMED = (
    "num_requests",
    "hit_tokens",
    "miss_tokens",
    "output_tokens",
    "granted_nanos",
    "paid_nanos",
)

_ROW_COLUMNS = [
    usage_daily.c.day,
    usage_daily.c.user_id,
    usage_daily.c.api_key_id,
    api_keys.c.name.label("api_key_name"),
    api_keys.c.masked.label("masked_key"),
    usage_daily.c.model,
    usage_daily.c.price_id,
    usage_daily.c.currency,
    *(usage_daily.c[name] for name in SUMMED),
    price_versions.c.hit_micros,
    price_versions.c.miss_micros,
    price_versions.c.output_micros,
]

_INSERT = Prepared(upsert(usage_records).on_conflict_do_nothing(index_elements=["request_id"]))

_NEW_DAY = upsert(usage_daily)
_ADD_TO_DAY = Prepared(
    _NEW_DAY.on_conflict_do_update(
        index_elements=list(usage_daily.primary_key.columns),
        set_={name: usage_daily.c[name] + _NEW_DAY.excluded[name] for name in SUMMED},
    )
)
