"""Rating the past again: what requests would cost by another rule, and the difference as a grant.

Rating is a pure function of the stored counts and a price, so a range of days can be worked out
anew: at the prices of today's list (which may have got a promotion since), at one named price, or
with a larger share of the prompts taken as cached. Who paid too much is credited, one posting per
request that names it; who paid too little is told of and never charged. What was credited before
counts, so that a second run over the same days gives only what is still missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Table,
    Text,
    and_,
    func,
    insert,
    select,
)

from whalefall.accounts.closure import CLOSED_EMAIL_END
from whalefall.accounts.users import users
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.grants import GrantPart, GrantRequest, grant_in_parts, lock_giving
from whalefall.billing.price_book import NoPriceError, PriceBook
from whalefall.billing.pricing import Price, TokenCounts, cost_nanos
from whalefall.billing.transfers import Transfer, check_note
from whalefall.billing.usage import UsageRecord, usage_records

NUM_CORRECTIONS_MAX = 200_000
NUM_AT_ONCE = 500
"""Postings in one transaction, so that no request waits long for the writer."""
NUM_LISTED_MAX = 200

corrections = Table(
    "corrections",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("request_id", Text, ForeignKey("usage_records.request_id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("transfer_id", Text, ForeignKey("transfers.id"), nullable=False),
    Column("price_id", Text, nullable=False),
    Column("hit_tokens", BigInteger, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("amount_nanos > 0", name="amount_in_range"),
    Index("ix_corrections_request_id", "request_id"),
    Index("ix_corrections_user_id_created_at", "user_id", "created_at"),
)


@dataclass(frozen=True, slots=True)
class RatingRange:
    first: date
    last: date
    """Both included, in UTC, by the instant a request was received."""
    user_id: str | None = None
    model: str | None = None
    """As billed."""


@dataclass(frozen=True, slots=True)
class RatingRule:
    price_name: str = ""
    """An id of the price list such as `v3.2`, in place of what was in force; empty: the latter."""
    hit_percent: int = 0
    """At least this share of every prompt is taken as found in the cache."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One request that costs less by the new rule than what was paid for it."""

    request_id: str
    user_id: str
    currency: Currency
    model: str
    received_at: datetime
    price_id: str
    """Of the new rating; with `hit_tokens` it explains the figure."""
    hit_tokens: int
    charged_nanos: int
    credited_before_nanos: int
    rerated_nanos: int

    @property
    def credit_nanos(self) -> int:
        return self.charged_nanos - self.credited_before_nanos - self.rerated_nanos


@dataclass(frozen=True, slots=True)
class Proposal:
    """A dry run: what would be credited. Nothing has changed."""

    num_requests: int
    corrections: tuple[Correction, ...]
    """By user, currency and time."""
    num_dearer: int
    dearer_nanos: Mapping[Currency, int]
    """What others paid too little, which stays so."""
    num_unpriced: int
    """Requests for which the new rule knows no price; they are left alone."""

    @property
    def digest(self) -> str:
        """Stands for exactly these corrections: who applies it applies what was looked at."""
        summary = hashlib.sha256()
        for each in self.corrections:
            summary.update(f"{each.request_id} {each.currency} {each.credit_nanos}\n".encode())
        return summary.hexdigest()


@dataclass(frozen=True, slots=True)
class Run:
    """One application of a proposal."""

    run_id: str
    reason: str
    """Shown to the customers beside the granted amount."""
    now: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CorrectionMade:
    request_id: str
    currency: Currency
    amount_nanos: int
    created_at: datetime


def propose(conn: Connection, book: PriceBook, span: RatingRange, rule: RatingRule) -> Proposal:
    """Rate every request of the range again. InvalidRequestError for an odd range or rule, or when
    there is more to correct than one run takes."""
    _check(book, span, rule)
    prices = {entry.price.id: entry.price for entry in book.listed()}
    found: list[Correction] = []
    num_requests = num_unpriced = num_dearer = 0
    dearer: dict[Currency, int] = {}
    for record, before in _records(conn, span):
        num_requests += 1
        price = _price_for(record, book, prices, rule)
        if price is None:
            num_unpriced += 1
            continue
        correction = _correction(record, before, price, rule)
        if correction.credit_nanos > 0:
            found.append(correction)
        elif correction.credit_nanos < 0 and before == 0:
            num_dearer += 1
            dearer[record.currency] = dearer.get(record.currency, 0) - correction.credit_nanos
        if len(found) > NUM_CORRECTIONS_MAX:
            raise InvalidRequestError(TOO_MANY)
    found.sort(key=lambda each: (each.user_id, each.currency, each.received_at, each.request_id))
    return Proposal(num_requests, tuple(found), num_dearer, dearer, num_unpriced)


def batches(found: Iterable[Correction]) -> Iterator[list[Correction]]:
    """Of one user and currency each, as many as one transaction takes."""
    batch: list[Correction] = []
    for each in found:
        is_other = batch and (batch[0].user_id, batch[0].currency) != (each.user_id, each.currency)
        if is_other or len(batch) == NUM_AT_ONCE:
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def apply_corrections(conn: Connection, run: Run, batch: Sequence[Correction]) -> int:
    """Credit one batch, which belongs to one user and currency; what was given in nanos.

    A user gets one grant per run and currency, made of one posting per request. What another run
    has credited in the meantime is left out, and doing it twice changes nothing."""
    assert len({(each.user_id, each.currency) for each in batch}) == 1
    check_note("reason", run.reason)
    user_id, currency = batch[0].user_id, batch[0].currency
    lock_giving(conn, currency, run.now)
    before = _credited(conn, [each.request_id for each in batch])
    due = [
        (each, each.charged_nanos - before.get(each.request_id, 0) - each.rerated_nanos)
        for each in batch
    ]
    due = [(each, nanos) for each, nanos in due if nanos > 0]
    if not due:
        return 0
    made = grant_in_parts(
        conn,
        _grant_request(run, user_id, currency, sum(nanos for _, nanos in due)),
        [
            GrantPart(nanos, f"correction:{run.run_id}:{each.request_id}", each.request_id)
            for each, nanos in due
        ],
        "correction",
    )
    rows = [_row(run, each, transfer) for (each, _), transfer in zip(due, made, strict=True)]
    conn.execute(insert(corrections), rows)
    return sum(nanos for _, nanos in due)


def list_corrections(conn: Connection, user_id: str) -> list[CorrectionMade]:
    """What a user was credited for which request, newest first."""
    columns = [corrections.c[name] for name in CorrectionMade.__slots__]
    query = select(*columns).where(corrections.c.user_id == user_id)
    newest = query.order_by(corrections.c.created_at.desc(), corrections.c.request_id)
    return [
        CorrectionMade(row[0], Currency(row[1]), row[2], row[3])
        for row in map(tuple, conn.execute(newest.limit(NUM_LISTED_MAX)))
    ]


def _grant_request(run: Run, user_id: str, currency: Currency, nanos: int) -> GrantRequest:
    return GrantRequest(
        user_id=user_id,
        currency=currency,
        amount_nanos=nanos,
        idempotency_key=f"rerating:{run.run_id}:{user_id}:{currency}",
        reason=run.reason,
        now=run.now,
        expires_at=run.expires_at,
    )


def _row(run: Run, correction: Correction, transfer: Transfer) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "request_id": correction.request_id,
        "user_id": correction.user_id,
        "currency": correction.currency.value,
        "transfer_id": transfer.id,
        "price_id": correction.price_id,
        "hit_tokens": correction.hit_tokens,
        "amount_nanos": transfer.amount_nanos,
        "created_at": run.now,
    }


TOO_MANY = "More than 200,000 requests would be corrected. Choose fewer days, a user or a model."
ODD_RANGE = "The last day lies before the first."
ODD_PRICE = "There is no price of that name."
ODD_SHARE = "A share is from 0 to 100 percent."


def _check(book: PriceBook, span: RatingRange, rule: RatingRule) -> None:
    if span.last < span.first:
        raise InvalidRequestError(ODD_RANGE)
    if not 0 <= rule.hit_percent <= 100:
        raise InvalidRequestError(ODD_SHARE)
    names = {entry.price.id.partition("/")[0] for entry in book.listed()}
    if rule.price_name and rule.price_name not in names:
        raise InvalidRequestError(ODD_PRICE)


def _records(conn: Connection, span: RatingRange) -> Iterator[tuple[UsageRecord, int]]:
    """Every record of the range with what was credited for it before."""
    columns = [usage_records.c[name] for name in UsageRecord.__slots__]
    credited = (
        select(func.coalesce(func.sum(corrections.c.amount_nanos), 0))
        .where(corrections.c.request_id == usage_records.c.request_id)
        .scalar_subquery()
    )
    first = datetime.combine(span.first, time(), UTC)
    end = datetime.combine(span.last, time(), UTC) + timedelta(days=1)
    # Who deleted the account gave up what was in it, and cannot be given anything any more.
    is_here = and_(
        users.c.id == usage_records.c.user_id,
        users.c.email != users.c.id.concat(CLOSED_EMAIL_END),
    )
    query = (
        select(*columns, credited)
        .join(users, is_here)
        .where(usage_records.c.created_at >= first, usage_records.c.created_at < end)
    )
    if span.user_id is not None:
        query = query.where(usage_records.c.user_id == span.user_id)
    if span.model is not None:
        query = query.where(usage_records.c.model_billed == span.model)
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        *values, before = tuple(row)
        fields = dict(zip(UsageRecord.__slots__, values, strict=True))
        yield UsageRecord(**{**fields, "currency": Currency(fields["currency"])}), int(before)


def _price_for(
    record: UsageRecord, book: PriceBook, prices: Mapping[str, Price], rule: RatingRule
) -> Price | None:
    if rule.price_name:
        return prices.get(f"{rule.price_name}/{record.model_billed}/{record.currency}")
    try:
        return book.price_at(record.model_billed, record.currency, record.created_at)
    except NoPriceError:
        return None


def _correction(record: UsageRecord, before: int, price: Price, rule: RatingRule) -> Correction:
    prompt = record.hit_tokens + record.miss_tokens
    hit = max(record.hit_tokens, prompt * rule.hit_percent // 100)
    counts = TokenCounts(hit, prompt - hit, record.output_tokens)
    return Correction(
        request_id=record.request_id,
        user_id=record.user_id,
        currency=record.currency,
        model=record.model_billed,
        received_at=record.created_at,
        price_id=price.id,
        hit_tokens=hit,
        charged_nanos=record.cost_nanos,
        credited_before_nanos=before,
        rerated_nanos=cost_nanos(price, counts),
    )


def _credited(conn: Connection, request_ids: Sequence[str]) -> dict[str, int]:
    query = (
        select(corrections.c.request_id, func.sum(corrections.c.amount_nanos))
        .where(corrections.c.request_id.in_(request_ids))
        .group_by(corrections.c.request_id)
    )
    return {row[0]: int(row[1]) for row in conn.execute(query)}
