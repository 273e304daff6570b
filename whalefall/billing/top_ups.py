"""Top-ups: money that customers pay in, from the order that waits for its payment to the transfer
that credits it, exactly once.

A top-up is opened as an order and paid when its provider says so, or recorded as paid when the
money has arrived already. Knows nothing of how a provider is talked to. Whoever changes a top-up
and the ledger in one transaction locks the top-up first."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.accounts.users import get_user
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.ledger import open_wallet
from whalefall.billing.transfers import (
    AccountKind,
    Transfer,
    TransferKind,
    account_id,
    check_amount,
    check_note,
    ledger_accounts,
    move_once,
    open_account,
)

NUM_LISTED_MAX = 200
TOP_UP_REASON = "top-up"
"""The reason of every transfer that pays a top-up, and of no other."""


class TopUpSource(enum.StrEnum):
    ALIPAY = "alipay"
    WECHATPAY = "wechatpay"
    STRIPE = "stripe"
    BANK = "bank"
    OPERATOR = "operator"

    @property
    def owner(self) -> str:
        """Who owns the platform's ledger accounts for money of this source."""
        return "system" if self is TopUpSource.OPERATOR else self.value


class TopUpState(enum.StrEnum):
    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"
    """Not paid in time, or called off. Should the money come all the same, it is credited."""
    FAILED = "failed"
    """The provider would not take the order."""


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


top_ups = Table(
    "top_ups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("provider_reference", Text),
    Column("transfer_id", Text, ForeignKey("transfers.id")),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("paid_at", Instant),
    Column("refunded_nanos", BigInteger, nullable=False),
    Column("charged_back_nanos", BigInteger, nullable=False),
    UniqueConstraint("source", "idempotency_key"),
    UniqueConstraint("source", "provider_reference"),
    UniqueConstraint("transfer_id"),
    _one_of("source", TopUpSource),
    _one_of("state", TopUpState),
    CheckConstraint(
        f"amount_nanos > 0 AND amount_nanos <= {MAX_AMOUNT_NANOS}", name="amount_in_range"
    ),
    CheckConstraint("(state = 'paid') = (transfer_id IS NOT NULL)", name="paid_by_a_transfer"),
    CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name="paid_at_an_instant"),
    CheckConstraint("refunded_nanos BETWEEN 0 AND amount_nanos", name="refunded_in_range"),
    CheckConstraint("charged_back_nanos BETWEEN 0 AND amount_nanos", name="charged_back_in_range"),
    Index(None, "user_id", "created_at"),
    Index(None, "state", "expires_at"),
)


@dataclass(frozen=True, slots=True)
class TopUp:
    id: str
    user_id: str
    source: TopUpSource
    currency: Currency
    amount_nanos: int
    state: TopUpState
    reference: str
    """Where the money came from, in words for the customer: an operator's note, a bank's line."""
    provider_reference: str
    """The provider's own id of the payment; empty until it is known."""
    transfer_id: str | None
    created_at: datetime
    expires_at: datetime | None
    paid_at: datetime | None
    refunded_nanos: int
    """Refunds that were asked for or made."""
    charged_back_nanos: int

    @property
    def remaining_nanos(self) -> int:
        """What was neither refunded nor charged back, spent or not."""
        taken = self.refunded_nanos + self.charged_back_nanos
        return max(self.amount_nanos - taken, 0) if self.state is TopUpState.PAID else 0


@dataclass(frozen=True, slots=True)
class TopUpRequest:
    user_id: str
    source: TopUpSource
    currency: Currency
    amount_nanos: int
    idempotency_key: str
    """Unique within its source: asking twice under one key opens one order."""
    now: datetime
    expires_at: datetime | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """What a provider says was paid."""

    top_up_id: str
    source: TopUpSource
    provider_reference: str
    currency: Currency
    amount_nanos: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money that has arrived."""

    user_id: str
    currency: Currency
    amount_nanos: int
    idempotency_key: str
    """Unique within its source: recorded twice it arrives once."""
    reference: str
    now: datetime
    source: TopUpSource = TopUpSource.OPERATOR
    provider_reference: str = ""
    taken_from: AccountKind = AccountKind.CASH_CLEARING
    """The source's account that it is taken from; BANK_SUSPENSE for money that waited there."""


@dataclass(frozen=True, slots=True)
class RefundablePart:
    top_up: TopUp
    nanos: int
    """What of it is unspent, unreserved and not yet refunded."""


class PaymentMismatchError(InvalidRequestError):
    """A payment does not fit the order it names. Nothing was credited; somebody has to look."""


def open_top_up(conn: Connection, request: TopUpRequest) -> TopUp:
    """An order that waits for its payment; with a used key, the one that was opened under it.

    InvalidRequestError for an odd amount or a key that was used for something else."""
    check_amount(request.amount_nanos)
    check_note("idempotency key", request.idempotency_key)
    check_note("reference", request.reference)
    get_user(conn, request.user_id)
    identifier = new_id("topup")
    row = {
        "id": identifier,
        "user_id": request.user_id,
        "source": request.source.value,
        "currency": request.currency.value,
        "amount_nanos": request.amount_nanos,
        "state": TopUpState.OPEN.value,
        "idempotency_key": request.idempotency_key,
        "reference": request.reference,
        "created_at": request.now,
        "expires_at": request.expires_at,
        "refunded_nanos": 0,
        "charged_back_nanos": 0,
    }
    conn.execute(upsert(top_ups).values(row).on_conflict_do_nothing())
    by_key = _by_key(request.source, request.idempotency_key)
    found = _one(conn, by_key.with_for_update())
    asked = (request.user_id, request.currency, request.amount_nanos)
    if (found.user_id, found.currency, found.amount_nanos) != asked:
        raise InvalidRequestError(
            f"the idempotency key {request.idempotency_key!r} was used for something else"
        )
    return found


def pay_top_up(conn: Connection, payment: Payment) -> TopUp:
    """Credit what was paid for an order, once however often it is told, and also when the order
    had expired by then. PaymentMismatchError when source, currency or amount are not the order's,
    or when another payment has paid it; NotFoundError when there is no such order."""
    found = lock_top_up(conn, payment.top_up_id)
    _check_fits(found, payment)
    if found.state is TopUpState.PAID:
        return found
    _check_new(conn, payment)
    return _credit(conn, found, payment, AccountKind.CASH_CLEARING)


def record_top_up(conn: Connection, deposit: Deposit) -> TopUp:
    """Money has arrived: it never expires and is spent after all grants. Recorded again under the
    same key it arrives once."""
    check_note("provider reference", deposit.provider_reference)
    opened = open_top_up(
        conn,
        TopUpRequest(
            user_id=deposit.user_id,
            source=deposit.source,
            currency=deposit.currency,
            amount_nanos=deposit.amount_nanos,
            idempotency_key=deposit.idempotency_key,
            now=deposit.now,
            reference=deposit.reference,
        ),
    )
    if opened.state is TopUpState.PAID:
        return opened
    payment = Payment(
        top_up_id=opened.id,
        source=deposit.source,
        provider_reference=deposit.provider_reference,
        currency=deposit.currency,
        amount_nanos=deposit.amount_nanos,
        now=deposit.now,
    )
    _check_new(conn, payment)
    return _credit(conn, opened, payment, deposit.taken_from)


def close_top_up(conn: Connection, top_up_id: str, state: TopUpState) -> TopUp:
    """End an order that nobody waits for any more; one that is not open stays as it is."""
    assert state in (TopUpState.EXPIRED, TopUpState.FAILED)
    is_it = (top_ups.c.id == top_up_id) & (top_ups.c.state == TopUpState.OPEN.value)
    conn.execute(update(top_ups).where(is_it).values(state=state.value))
    return get_top_up(conn, top_up_id)


def get_top_up(conn: Connection, top_up_id: str) -> TopUp:
    """NotFoundError when there is none."""
    return _one(conn, _SELECT.where(top_ups.c.id == top_up_id))


def find_top_up(conn: Connection, top_up_id: str) -> TopUp | None:
    row = conn.execute(_SELECT.where(top_ups.c.id == top_up_id)).one_or_none()
    return None if row is None else _top_up_from_row(row)


def find_top_up_by_payment(
    conn: Connection, source: TopUpSource, provider_reference: str
) -> TopUp | None:
    """The one that this payment of the provider's has paid."""
    is_it = (top_ups.c.source == source.value) & (
        top_ups.c.provider_reference == provider_reference
    )
    row = conn.execute(_SELECT.where(is_it)).one_or_none()
    return None if row is None else _top_up_from_row(row)


def find_top_up_by_key(conn: Connection, source: TopUpSource, key: str) -> TopUp | None:
    """The one that was opened under this key."""
    row = conn.execute(_by_key(source, key)).one_or_none()
    return None if row is None else _top_up_from_row(row)


def lock_top_up(conn: Connection, top_up_id: str) -> TopUp:
    """Read it for a change. NotFoundError when there is none."""
    return _one(conn, _SELECT.where(top_ups.c.id == top_up_id).with_for_update())


def list_top_ups(
    conn: Connection,
    user_id: str,
    *,
    state: TopUpState | None = None,
    limit: int = NUM_LISTED_MAX,
) -> list[TopUp]:
    """A customer's, newest first."""
    query = _SELECT.where(top_ups.c.user_id == user_id)
    if state is not None:
        query = query.where(top_ups.c.state == state.value)
    ordered = query.order_by(top_ups.c.created_at.desc(), top_ups.c.id)
    return _all(conn, ordered.limit(min(limit, NUM_LISTED_MAX)))


def count_open_top_ups(conn: Connection, user_id: str) -> int:
    is_open = (top_ups.c.user_id == user_id) & (top_ups.c.state == TopUpState.OPEN.value)
    return conn.execute(select(func.count()).select_from(top_ups).where(is_open)).scalar_one()


def due_top_ups(conn: Connection, now: datetime, *, limit: int = 100) -> list[TopUp]:
    """Open orders whose time is over, oldest first."""
    is_due = (top_ups.c.state == TopUpState.OPEN.value) & (top_ups.c.expires_at <= now)
    return _all(conn, _SELECT.where(is_due).order_by(top_ups.c.expires_at).limit(limit))


def refundable_parts(
    conn: Connection, user_id: str, currency: Currency
) -> tuple[RefundablePart, ...]:
    """What is left of each top-up, newest first. Paid money is spent oldest first, so what the
    customer still has belongs to the newest top-ups. Lock the paid account before relying on it."""
    paid = account_id(AccountKind.PAID, currency, user_id)
    columns = ledger_accounts.c
    available = columns.credits_posted - columns.debits_posted - columns.debits_pending
    rest = conn.execute(select(available).where(columns.id == paid)).scalar_one_or_none() or 0
    is_theirs = (top_ups.c.user_id == user_id) & (top_ups.c.currency == currency.value)
    is_paid = top_ups.c.state == TopUpState.PAID.value
    newest_first = _SELECT.where(is_theirs, is_paid).order_by(
        top_ups.c.paid_at.desc(), top_ups.c.id.desc()
    )
    parts = []
    for found in map(_top_up_from_row, conn.execute(newest_first)):
        nanos = min(found.remaining_nanos, rest)
        if nanos > 0:
            parts.append(RefundablePart(found, nanos))
            rest -= nanos
    return tuple(parts)


def add_refunded(conn: Connection, top_up_id: str, nanos: int) -> TopUp:
    """Note that a refund was asked for, or with a negative amount that one failed for good.
    InvalidRequestError when more would be refunded than is left of the top-up, or less than
    nothing."""
    found = lock_top_up(conn, top_up_id)
    if nanos > found.remaining_nanos or found.refunded_nanos + nanos < 0:
        raise InvalidRequestError(f"the top-up {top_up_id} has {found.remaining_nanos} nanos left")
    return _set(conn, top_up_id, refunded_nanos=found.refunded_nanos + nanos)


def add_charged_back(conn: Connection, top_up_id: str, nanos: int) -> TopUp:
    """Note that the payer's bank took money back, or with a negative amount that it returned it.
    A bank does so even after a refund; InvalidRequestError only beyond what was paid."""
    found = lock_top_up(conn, top_up_id)
    total = found.charged_back_nanos + nanos
    if found.state is not TopUpState.PAID or not 0 <= total <= found.amount_nanos:
        raise InvalidRequestError(f"the top-up {top_up_id} was paid {found.amount_nanos} nanos")
    return _set(conn, top_up_id, charged_back_nanos=total)


def _check_fits(found: TopUp, payment: Payment) -> None:
    for name, ordered, paid in (
        ("source", found.source, payment.source),
        ("currency", found.currency, payment.currency),
        ("amount", found.amount_nanos, payment.amount_nanos),
    ):
        if ordered != paid:
            raise PaymentMismatchError(f"{found.id} has the {name} {ordered}, the payment {paid}")
    is_paid = found.state is TopUpState.PAID
    if is_paid and found.provider_reference != payment.provider_reference:
        raise PaymentMismatchError(
            f"{found.id} was paid by {found.provider_reference!r} already, "
            f"not by {payment.provider_reference!r}"
        )


def _check_new(conn: Connection, payment: Payment) -> None:
    """PaymentMismatchError when this payment has paid something else."""
    if not payment.provider_reference:
        return
    used = (top_ups.c.source == payment.source.value) & (
        top_ups.c.provider_reference == payment.provider_reference
    )
    other = conn.execute(select(top_ups.c.id).where(used)).scalar_one_or_none()
    if other is not None and other != payment.top_up_id:
        raise PaymentMismatchError(
            f"the payment {payment.provider_reference!r} has paid {other} already"
        )


def _credit(conn: Connection, found: TopUp, payment: Payment, taken_from: AccountKind) -> TopUp:
    owner = found.source.owner
    debit = open_account(conn, taken_from, found.currency, payment.now, owner=owner)
    paid = open_wallet(conn, found.user_id, found.currency, payment.now)
    moved = move_once(
        conn,
        Transfer(
            id=new_id("tr"),
            kind=TransferKind.SINGLE,
            debit_account_id=debit,
            credit_account_id=paid,
            currency=found.currency,
            amount_nanos=found.amount_nanos,
            idempotency_key=f"top-up:{found.id}",
            reason=TOP_UP_REASON,
            created_at=payment.now,
            reference=found.reference or payment.provider_reference,
        ),
    )
    return _set(
        conn,
        found.id,
        state=TopUpState.PAID.value,
        provider_reference=payment.provider_reference or None,
        transfer_id=moved.id,
        paid_at=moved.created_at,
    )


def _set(conn: Connection, top_up_id: str, **values: object) -> TopUp:
    conn.execute(update(top_ups).where(top_ups.c.id == top_up_id).values(values))
    return get_top_up(conn, top_up_id)


_COLUMNS = [top_ups.c[name] for name in TopUp.__slots__]
_SELECT = select(*_COLUMNS)


def _by_key(source: TopUpSource, key: str) -> Select[*tuple[object, ...]]:
    is_it = (top_ups.c.source == source.value) & (top_ups.c.idempotency_key == key)
    return _SELECT.where(is_it)


def _one(conn: Connection, query: Select[*tuple[object, ...]]) -> TopUp:
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such top-up")
    return _top_up_from_row(row)


def _all(conn: Connection, query: Select[*tuple[object, ...]]) -> list[TopUp]:
    return [_top_up_from_row(row) for row in conn.execute(query)]


def _top_up_from_row(row: Row[*tuple[object, ...]]) -> TopUp:
    values = dict(row._mapping)
    values["source"] = TopUpSource(row.source)
    values["currency"] = Currency(row.currency)
    values["state"] = TopUpState(row.state)
    values["provider_reference"] = row.provider_reference or ""
    return TopUp(**values)
