"""Money that is taken back from us: a payer's bank reverses a payment, or a provider returns one
without having been asked.

It is taken from what is left of the customer's paid money; what they have spent already is the
platform's loss. Granted money is never touched. By a stated rule a bank's reversal suspends the
account until an operator has looked; a dispute that is won brings everything back."""

from __future__ import annotations

import enum
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
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    and_,
    insert,
    literal,
    or_,
    select,
    update,
)

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.users import get_user, suspend_user
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.top_ups import TopUp, TopUpSource, add_charged_back, lock_top_up
from whalefall.billing.transfers import (
    AccountKind,
    Transfer,
    TransferKind,
    account_id,
    check_amount,
    ledger_accounts,
    lock_accounts,
    move_once,
    open_account,
)

NUM_LISTED_MAX = 200
CHARGEBACK_REASON = "chargeback"
RETURNED_REASON = "chargeback returned"
SETTLED_ALREADY = "This has been settled already."


class ChargebackKind(enum.StrEnum):
    DISPUTE = "dispute"
    """The payer's bank reversed the payment."""
    UNASKED_REFUND = "unasked_refund"
    """The provider returned money for which there is no refund of ours, or one that had failed."""


class ChargebackState(enum.StrEnum):
    OPEN = "open"
    """Somebody has to look."""
    LOST = "lost"
    WON = "won"
    """The money came back, and everybody has what they had."""


chargebacks = Table(
    "chargebacks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("top_up_id", Text, ForeignKey("top_ups.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("taken_nanos", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    UniqueConstraint("source", "event_id"),
    CheckConstraint("kind IN ('dispute', 'unasked_refund')", name="kind_known"),
    CheckConstraint("state IN ('open', 'lost', 'won')", name="state_known"),
    CheckConstraint("amount_nanos > 0", name="amount_in_range"),
    CheckConstraint("taken_nanos BETWEEN 0 AND amount_nanos", name="taken_in_range"),
    CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name="resolved_when_closed"),
    Index(None, "user_id"),
    Index(None, "top_up_id"),
    Index(None, "state", "created_at"),
)


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a provider tells us has been taken."""

    top_up_id: str
    kind: ChargebackKind
    event_id: str
    """The provider's id of the event, unique within its source: told twice it counts once."""
    currency: Currency
    amount_nanos: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Chargeback:
    id: str
    user_id: str
    top_up_id: str
    source: TopUpSource
    event_id: str
    kind: ChargebackKind
    currency: Currency
    amount_nanos: int
    taken_nanos: int
    """From the customer; the rest is the platform's loss."""
    state: ChargebackState
    created_at: datetime
    resolved_at: datetime | None

    @property
    def loss_nanos(self) -> int:
        return self.amount_nanos - self.taken_nanos


def charge_back(conn: Connection, reversal: Reversal) -> Chargeback:
    """Take the money, once. InvalidRequestError for what does not fit its top-up: nothing has
    moved then, and somebody has to look; NotFoundError for an unknown top-up."""
    check_amount(reversal.amount_nanos)
    top_up = lock_top_up(conn, reversal.top_up_id)
    made = conn.execute(_by_event(top_up.source, reversal.event_id)).one_or_none()
    if made is not None:
        return _chargeback_from_row(made)
    if reversal.currency is not top_up.currency:
        raise InvalidRequestError(f"{top_up.id} was paid in {top_up.currency}")
    add_charged_back(conn, top_up.id, reversal.amount_nanos)
    opened = _insert(conn, top_up, reversal)
    accounts = _lock(conn, opened, reversal.now)
    taken = min(opened.amount_nanos, max(accounts.available_nanos, 0))
    done = replace(opened, taken_nanos=taken)
    _move(conn, done, accounts.paid, accounts.clearing, taken, "paid", reversal.now)
    _move(conn, done, accounts.loss, accounts.clearing, done.loss_nanos, "loss", reversal.now)
    _write(conn, done)
    if done.kind is ChargebackKind.DISPUTE:
        _suspend(conn, done, reversal.now)
    return done


def collect_losses(
    conn: Connection, user_id: str, currency: Currency, now: datetime
) -> list[Chargeback]:
    """Take from paid money that has become free since, as far as open chargebacks were a loss: what
    a running request gave back, a refund that failed."""
    query = _SELECT.where(
        chargebacks.c.user_id == user_id,
        chargebacks.c.currency == currency.value,
        chargebacks.c.state == ChargebackState.OPEN.value,
        chargebacks.c.taken_nanos < chargebacks.c.amount_nanos,
    )
    rows = conn.execute(query.order_by(chargebacks.c.id).with_for_update()).all()
    return [_collect(conn, _chargeback_from_row(row), now) for row in rows]


def collectable(conn: Connection) -> list[tuple[str, Currency]]:
    """Whose open chargebacks were a loss while there is paid money that could make up for it."""
    available = (
        ledger_accounts.c.credits_posted
        - ledger_accounts.c.debits_posted
        - ledger_accounts.c.debits_pending
    )
    is_theirs = and_(
        ledger_accounts.c.user_id == chargebacks.c.user_id,
        ledger_accounts.c.currency == chargebacks.c.currency,
        ledger_accounts.c.kind == AccountKind.PAID.value,
    )
    query = select(chargebacks.c.user_id, chargebacks.c.currency).join(ledger_accounts, is_theirs)
    found = query.where(
        chargebacks.c.state == ChargebackState.OPEN.value,
        chargebacks.c.taken_nanos < chargebacks.c.amount_nanos,
        available > 0,
    )
    rows = conn.execute(found.distinct().limit(NUM_LISTED_MAX))
    return [(user_id, Currency(currency)) for user_id, currency in rows]


def win_chargeback(conn: Connection, chargeback_id: str, now: datetime) -> Chargeback:
    """The money is with us again: give back what was taken, undo the loss. Once only."""
    found = _lock_row(conn, chargeback_id)
    if found.state is ChargebackState.WON:
        return found
    accounts = _lock(conn, found, now)
    _move(conn, found, accounts.clearing, accounts.paid, found.taken_nanos, "won:paid", now)
    _move(conn, found, accounts.clearing, accounts.loss, found.loss_nanos, "won:loss", now)
    add_charged_back(conn, found.top_up_id, -found.amount_nanos)
    won = replace(found, state=ChargebackState.WON, resolved_at=now)
    _write(conn, won)
    return won


def lose_chargeback(conn: Connection, chargeback_id: str, now: datetime) -> Chargeback:
    """It stays as it is, and nobody has to look any more. InvalidRequestError for one won."""
    found = _lock_row(conn, chargeback_id)
    if found.state is ChargebackState.WON:
        raise InvalidRequestError(SETTLED_ALREADY)
    if found.state is ChargebackState.LOST:
        return found
    lost = replace(found, state=ChargebackState.LOST, resolved_at=now)
    _write(conn, lost)
    return lost


def chargeback_to_return(conn: Connection, top_up_id: str, amount_nanos: int) -> Chargeback:
    """The dispute of this payment and amount that a provider says was won; of any amount where it
    says none (0). NotFoundError when none is left."""
    query = _SELECT.where(
        chargebacks.c.top_up_id == top_up_id,
        or_(chargebacks.c.amount_nanos == amount_nanos, literal(amount_nanos == 0)),
        chargebacks.c.kind == ChargebackKind.DISPUTE.value,
        chargebacks.c.state != ChargebackState.WON.value,
    )
    row = conn.execute(query.order_by(chargebacks.c.created_at, chargebacks.c.id)).first()
    if row is None:
        raise NotFoundError(f"{top_up_id} has no open chargeback of {amount_nanos} nanos")
    return _chargeback_from_row(row)


def list_chargebacks(
    conn: Connection, *, user_id: str | None = None, limit: int = NUM_LISTED_MAX
) -> list[Chargeback]:
    """Open ones first, then newest first; of one customer or of all."""
    query = _SELECT if user_id is None else _SELECT.where(chargebacks.c.user_id == user_id)
    ordered = query.order_by(
        chargebacks.c.resolved_at.is_not(None), chargebacks.c.created_at.desc(), chargebacks.c.id
    )
    rows = conn.execute(ordered.limit(min(limit, NUM_LISTED_MAX)))
    return [_chargeback_from_row(row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Accounts:
    paid: str
    clearing: str
    loss: str
    available_nanos: int


def _lock(conn: Connection, found: Chargeback, now: datetime) -> _Accounts:
    owner = found.source.owner
    clearing = open_account(conn, AccountKind.CASH_CLEARING, found.currency, now, owner=owner)
    loss = open_account(conn, AccountKind.CHARGEBACK_LOSS, found.currency, now, owner=owner)
    paid = account_id(AccountKind.PAID, found.currency, found.user_id)
    locked = lock_accounts(conn, [clearing, loss, paid])
    return _Accounts(paid, clearing, loss, locked[paid].available_nanos)


def _collect(conn: Connection, found: Chargeback, now: datetime) -> Chargeback:
    accounts = _lock(conn, found, now)
    nanos = min(found.loss_nanos, max(accounts.available_nanos, 0))
    key = f"collected:{found.taken_nanos}"
    _move(conn, found, accounts.paid, accounts.loss, nanos, key, now)
    done = replace(found, taken_nanos=found.taken_nanos + nanos)
    _write(conn, done)
    return done


def _move(
    conn: Connection,
    found: Chargeback,
    debit: str,
    credit: str,
    nanos: int,
    key: str,
    now: datetime,
) -> None:
    if nanos == 0:
        return
    move_once(
        conn,
        Transfer(
            id=new_id("tr"),
            kind=TransferKind.SINGLE,
            debit_account_id=debit,
            credit_account_id=credit,
            currency=found.currency,
            amount_nanos=nanos,
            idempotency_key=f"chargeback:{found.id}:{key}",
            reason=RETURNED_REASON if key.startswith("won") else CHARGEBACK_REASON,
            created_at=now,
            reference=found.id,
        ),
    )


def _suspend(conn: Connection, done: Chargeback, now: datetime) -> None:
    """An operator is not locked out by a bank."""
    if get_user(conn, done.user_id).is_admin:
        return
    suspend_user(conn, done.user_id, now)
    provider = Actor(None, f"payments: {done.source}", "")
    record_action(conn, provider, "user.suspended", done.user_id, now, f"chargeback {done.id}")


def _insert(conn: Connection, top_up: TopUp, reversal: Reversal) -> Chargeback:
    made = Chargeback(
        id=new_id("chargeback"),
        user_id=top_up.user_id,
        top_up_id=top_up.id,
        source=top_up.source,
        event_id=reversal.event_id,
        kind=reversal.kind,
        currency=top_up.currency,
        amount_nanos=reversal.amount_nanos,
        taken_nanos=0,
        state=ChargebackState.OPEN,
        created_at=reversal.now,
        resolved_at=None,
    )
    values = {name: getattr(made, name) for name in Chargeback.__slots__}
    plain = {name: str(values[name]) for name in ("source", "kind", "currency", "state")}
    conn.execute(insert(chargebacks).values({**values, **plain}))
    return made


def _write(conn: Connection, done: Chargeback) -> None:
    is_it = update(chargebacks).where(chargebacks.c.id == done.id)
    conn.execute(
        is_it.values(
            taken_nanos=done.taken_nanos, state=done.state.value, resolved_at=done.resolved_at
        )
    )


def _lock_row(conn: Connection, chargeback_id: str) -> Chargeback:
    """Its top-up is locked first, as everywhere."""
    is_it = chargebacks.c.id == chargeback_id
    top_up_id = conn.execute(select(chargebacks.c.top_up_id).where(is_it)).scalar_one_or_none()
    if top_up_id is None:
        raise NotFoundError(f"there is no chargeback {chargeback_id}")
    lock_top_up(conn, top_up_id)
    return _chargeback_from_row(conn.execute(_SELECT.where(is_it).with_for_update()).one())


_SELECT = select(*(chargebacks.c[name] for name in Chargeback.__slots__))


def _by_event(source: TopUpSource, event_id: str) -> Select[*tuple[Any, ...]]:
    return _SELECT.where(chargebacks.c.source == source.value, chargebacks.c.event_id == event_id)


def _chargeback_from_row(row: Row[*tuple[Any, ...]]) -> Chargeback:
    values = dict(row._mapping)
    values["source"] = TopUpSource(row.source)
    values["kind"] = ChargebackKind(row.kind)
    values["currency"] = Currency(row.currency)
    values["state"] = ChargebackState(row.state)
    return Chargeback(**values)
