"""Refunds: unspent paid money on its way back to the payment it came with.

    asked -> sent -> done
                  -> failed

Asking moves the money out of the customer's balance at once, so that it can neither be spent nor
be refunded again. It leaves the platform's books when the provider confirms, and returns to the
balance when the refund fails for good. Granted money is never refunded: it is not looked at here.
What came by bank or was recorded by an operator is returned by hand, beside a ticket.

Locks are taken in one order: top-ups, refunds, ledger accounts."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.chargebacks import (
    ChargebackKind,
    Reversal,
    charge_back,
    collect_losses,
)
from whalefall.billing.top_ups import (
    RefundablePart,
    TopUpSource,
    TopUpState,
    add_refunded,
    lock_top_up,
    refundable_parts,
    top_ups,
)
from whalefall.billing.transfers import (
    NOTE_LENGTH_MAX,
    AccountKind,
    Transfer,
    TransferKind,
    account_id,
    check_amount,
    check_note,
    lock_accounts,
    move_once,
    open_account,
)

ONLINE_SOURCES = frozenset({TopUpSource.ALIPAY, TopUpSource.WECHATPAY, TopUpSource.STRIPE})
"""Returned by their provider, without anybody's help."""
SOURCES_BY_HAND = frozenset(TopUpSource) - ONLINE_SOURCES
NANOS_PER_STEP = 10_000_000
"""Refunds are whole fen or cents; what is left beyond stays in the balance."""
NUM_LISTED_MAX = 200
REFUND_REASON = "refund"
REFUND_RETURNED_REASON = "refund returned"
NOT_THAT_MUCH = "Less than that can be refunded now. Please look at the figures again."
NOT_WHOLE = "A refund is a whole number of fen or cents."
OVER_ALREADY = "This refund has ended already."


class RefundState(enum.StrEnum):
    ASKED = "asked"
    SENT = "sent"
    """The provider was told, or was about to be when the process ended."""
    DONE = "done"
    FAILED = "failed"


OPEN_STATES = (RefundState.ASKED.value, RefundState.SENT.value)

refunds = Table(
    "refunds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("top_up_id", Text, ForeignKey("top_ups.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("provider_reference", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("ticket_id", Text, ForeignKey("tickets.id")),
    Column("num_tries", Integer, nullable=False),
    Column("next_try_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("asked_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("told_at", Instant),
    UniqueConstraint("user_id", "idempotency_key", "top_up_id"),
    CheckConstraint("state IN ('asked', 'sent', 'done', 'failed')", name="state_known"),
    CheckConstraint("amount_nanos > 0", name="amount_in_range"),
    CheckConstraint(
        "(state IN ('asked', 'sent')) = (resolved_at IS NULL)", name="resolved_when_closed"
    ),
    Index(None, "user_id", "asked_at"),
    Index(None, "top_up_id"),
    Index(None, "state", "next_try_at"),
)


@dataclass(frozen=True, slots=True)
class RefundRequest:
    user_id: str
    currency: Currency
    amount_nanos: int
    idempotency_key: str
    """Asking twice under one key refunds once."""
    now: datetime
    sources: frozenset[TopUpSource] = ONLINE_SOURCES
    top_up_id: str | None = None
    """Only this payment; None: the newest first."""


@dataclass(frozen=True, slots=True)
class Refund:
    """Of one payment; a wish that several payments have to fill becomes several."""

    id: str
    user_id: str
    top_up_id: str
    source: TopUpSource
    currency: Currency
    amount_nanos: int
    state: RefundState
    provider_reference: str
    problem: str
    """What went wrong last, for the operator."""
    ticket_id: str | None
    num_tries: int
    next_try_at: datetime
    claimed_until: datetime | None
    asked_at: datetime
    resolved_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


def refundable(
    conn: Connection,
    user_id: str,
    currency: Currency,
    sources: frozenset[TopUpSource] = ONLINE_SOURCES,
) -> tuple[RefundablePart, ...]:
    """What may be refunded of each payment of these sources, newest first, in whole steps."""
    parts = [
        replace(part, nanos=part.nanos - part.nanos % NANOS_PER_STEP)
        for part in refundable_parts(conn, user_id, currency)
        if part.top_up.source in sources
    ]
    return tuple(part for part in parts if part.nanos > 0)


def ask_refund(conn: Connection, request: RefundRequest) -> tuple[Refund, ...]:
    """Take the money out of the balance and note where it goes, or return what was noted under the
    same key before. InvalidRequestError when there is less to refund; nothing has changed then."""
    check_amount(request.amount_nanos)
    check_note("idempotency key", request.idempotency_key)
    if request.amount_nanos % NANOS_PER_STEP:
        raise InvalidRequestError(NOT_WHOLE)
    _lock_wallet(conn, request)
    made = _made_before(conn, request)
    if made:
        return made
    rest = request.amount_nanos
    asked = []
    for part in refundable(conn, request.user_id, request.currency, request.sources):
        nanos = min(rest, part.nanos) if request.top_up_id in (None, part.top_up.id) else 0
        if nanos:
            rest -= nanos
            asked.append(replace(part, nanos=nanos))
    if rest:
        raise InvalidRequestError(NOT_THAT_MUCH)
    return tuple(_ask(conn, request, part) for part in asked)


def confirm_refund(conn: Connection, refund_id: str, reference: str, now: datetime) -> Refund:
    """The money has gone. Harmless when repeated. Of a refund that had failed for good, and whose
    money is in the balance again, it is taken back like any payment returned without our asking."""
    found = lock_refund(conn, refund_id)
    if found.state is RefundState.DONE:
        return _name(conn, found, reference)
    if found.state is RefundState.FAILED:
        _take_after_all(conn, found, now)
        return found
    payable, clearing = _payable(found), _clearing(conn, found, now)
    _move(conn, found, payable, clearing, "done", now)
    name = reference or found.provider_reference
    return _end(conn, replace(found, state=RefundState.DONE, provider_reference=name), now)


def _name(conn: Connection, found: Refund, reference: str) -> Refund:
    """A provider may confirm before it says under which name."""
    if not reference or found.provider_reference == reference:
        return found
    mine = update(refunds).where(refunds.c.id == found.id)
    conn.execute(mine.values(provider_reference=reference))
    return replace(found, provider_reference=reference)


def fail_refund(conn: Connection, refund_id: str, problem: str, now: datetime) -> Refund:
    """It will not happen: the money returns to the balance. Harmless when repeated, and for a
    refund that the provider had called done and now takes back, too."""
    found = lock_refund(conn, refund_id)
    if found.state is RefundState.FAILED:
        return found
    is_open = found.is_open
    origin = _payable(found) if is_open else _clearing(conn, found, now)
    paid = account_id(AccountKind.PAID, found.currency, found.user_id)
    _move(conn, found, origin, paid, "failed" if is_open else "undone", now)
    add_refunded(conn, found.top_up_id, -found.amount_nanos)
    failed = replace(found, state=RefundState.FAILED, problem=short_problem(problem))
    ended = _end(conn, failed, now)
    collect_losses(conn, found.user_id, found.currency, now)
    return ended


def ask_again(conn: Connection, refund_id: str, now: datetime) -> Refund:
    """A new refund in the place of one that failed: of the same payment and amount, if that much
    of it is still unspent. One that was asked for again is not asked for a third time."""
    found = lock_refund(conn, refund_id)
    if found.state is not RefundState.FAILED:
        raise InvalidRequestError(OVER_ALREADY)
    request = RefundRequest(
        user_id=found.user_id,
        currency=found.currency,
        amount_nanos=found.amount_nanos,
        idempotency_key=f"again:{found.id}",
        now=now,
        sources=frozenset({found.source}),
        top_up_id=found.top_up_id,
    )
    (made,) = ask_refund(conn, request)
    return made


def attach_ticket(conn: Connection, made: Sequence[Refund], ticket_id: str) -> None:
    """The ticket in which these are talked about."""
    mine = update(refunds).where(refunds.c.id.in_([each.id for each in made]))
    conn.execute(mine.values(ticket_id=ticket_id))


def get_refund(conn: Connection, refund_id: str) -> Refund:
    """NotFoundError when there is none."""
    row = conn.execute(REFUND_ROWS.where(refunds.c.id == refund_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no refund {refund_id}")
    return refund_from_row(row)


def find_refund(conn: Connection, refund_id: str) -> Refund | None:
    row = conn.execute(REFUND_ROWS.where(refunds.c.id == refund_id)).one_or_none()
    return None if row is None else refund_from_row(row)


def lock_refund(conn: Connection, refund_id: str) -> Refund:
    """Read it for a change, its top-up locked before it. NotFoundError when there is none."""
    lock_top_up(conn, get_refund(conn, refund_id).top_up_id)
    query = REFUND_ROWS.where(refunds.c.id == refund_id).with_for_update()
    return refund_from_row(conn.execute(query).one())


def list_refunds(
    conn: Connection, *, user_id: str | None = None, limit: int = NUM_LISTED_MAX
) -> list[Refund]:
    """Open ones first, then newest first; of one customer or of all."""
    query = REFUND_ROWS if user_id is None else REFUND_ROWS.where(refunds.c.user_id == user_id)
    ordered = query.order_by(
        refunds.c.resolved_at.is_not(None), refunds.c.asked_at.desc(), refunds.c.id
    )
    return [refund_from_row(row) for row in conn.execute(ordered.limit(min(limit, NUM_LISTED_MAX)))]


def _lock_wallet(conn: Connection, request: RefundRequest) -> None:
    """The customer's top-ups, then the accounts that money may move between."""
    theirs = select(top_ups.c.source).where(
        top_ups.c.user_id == request.user_id,
        top_ups.c.currency == request.currency.value,
        top_ups.c.state == TopUpState.PAID.value,
    )
    rows = conn.execute(theirs.order_by(top_ups.c.id).with_for_update())
    owners = sorted({TopUpSource(source).owner for source in rows.scalars()})
    if not owners:
        raise InvalidRequestError(NOT_THAT_MUCH)
    payables = [
        open_account(conn, AccountKind.REFUNDS_PAYABLE, request.currency, request.now, owner=owner)
        for owner in owners
    ]
    paid = account_id(AccountKind.PAID, request.currency, request.user_id)
    lock_accounts(conn, [paid, *payables])


def _made_before(conn: Connection, request: RefundRequest) -> tuple[Refund, ...]:
    query = REFUND_ROWS.where(
        refunds.c.user_id == request.user_id,
        refunds.c.idempotency_key == request.idempotency_key,
    )
    made = tuple(refund_from_row(row) for row in conn.execute(query.order_by(refunds.c.id)))
    if made and sum(each.amount_nanos for each in made) != request.amount_nanos:
        raise InvalidRequestError(
            f"the idempotency key {request.idempotency_key!r} was used for another refund"
        )
    return made


def _ask(conn: Connection, request: RefundRequest, part: RefundablePart) -> Refund:
    made = Refund(
        id=new_id("refund"),
        user_id=request.user_id,
        top_up_id=part.top_up.id,
        source=part.top_up.source,
        currency=request.currency,
        amount_nanos=part.nanos,
        state=RefundState.ASKED,
        provider_reference="",
        problem="",
        ticket_id=None,
        num_tries=0,
        next_try_at=request.now,
        claimed_until=None,
        asked_at=request.now,
        resolved_at=None,
    )
    values = {name: getattr(made, name) for name in Refund.__slots__}
    plain = {name: str(values[name]) for name in ("source", "currency", "state")}
    row = {**values, **plain, "idempotency_key": request.idempotency_key}
    conn.execute(insert(refunds).values(row))
    add_refunded(conn, made.top_up_id, made.amount_nanos)
    paid = account_id(AccountKind.PAID, made.currency, made.user_id)
    _move(conn, made, paid, _payable(made), "asked", request.now)
    return made


def _take_after_all(conn: Connection, found: Refund, now: datetime) -> None:
    charge_back(
        conn,
        Reversal(
            top_up_id=found.top_up_id,
            kind=ChargebackKind.UNASKED_REFUND,
            event_id=f"refund:{found.id}",
            currency=found.currency,
            amount_nanos=found.amount_nanos,
            now=now,
        ),
    )


def _payable(found: Refund) -> str:
    return account_id(AccountKind.REFUNDS_PAYABLE, found.currency, found.source.owner)


def _clearing(conn: Connection, found: Refund, now: datetime) -> str:
    kind = AccountKind.CASH_CLEARING
    return open_account(conn, kind, found.currency, now, owner=found.source.owner)


def _move(
    conn: Connection, found: Refund, debit: str, credit: str, key: str, now: datetime
) -> None:
    move_once(
        conn,
        Transfer(
            id=new_id("tr"),
            kind=TransferKind.SINGLE,
            debit_account_id=debit,
            credit_account_id=credit,
            currency=found.currency,
            amount_nanos=found.amount_nanos,
            idempotency_key=f"refund:{found.id}:{key}",
            reason=REFUND_RETURNED_REASON if key in ("failed", "undone") else REFUND_REASON,
            created_at=now,
            reference=found.id,
        ),
    )


def _end(conn: Connection, ended: Refund, now: datetime) -> Refund:
    """Write how it ended; the customer is told again when an end is taken back."""
    values = {
        "state": ended.state.value,
        "provider_reference": ended.provider_reference,
        "problem": ended.problem,
        "claimed_until": None,
        "resolved_at": now,
        "told_at": None,
    }
    conn.execute(update(refunds).where(refunds.c.id == ended.id).values(values))
    return replace(ended, claimed_until=None, resolved_at=now)


def short_problem(problem: str) -> str:
    """What a column of one printable line holds of it."""
    return "".join(each for each in problem if each.isprintable())[:NOTE_LENGTH_MAX]


def open_refund_sums(conn: Connection) -> dict[tuple[str, Currency], int]:
    """What is owed by owner of its account and currency."""
    total = func.sum(refunds.c.amount_nanos)
    query = select(refunds.c.source, refunds.c.currency, total).where(
        refunds.c.state.in_(OPEN_STATES)
    )
    sums: dict[tuple[str, Currency], int] = {}
    for source, currency, nanos in conn.execute(
        query.group_by(refunds.c.source, refunds.c.currency)
    ):
        key = (TopUpSource(source).owner, Currency(currency))
        sums[key] = sums.get(key, 0) + int(nanos)
    return sums


REFUND_ROWS = select(*(refunds.c[name] for name in Refund.__slots__))


def refund_from_row(row: Row[*tuple[Any, ...]]) -> Refund:
    values = dict(row._mapping)
    values["source"] = TopUpSource(row.source)
    values["currency"] = Currency(row.currency)
    values["state"] = RefundState(row.state)
    return Refund(**values)
