"""Money given for free: each grant has a ledger account of its own and a day on which what is
left of it is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from whalefall.accounts.users import get_user
from whalefall.base.errors import InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
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
    lock_accounts,
    move,
    move_once,
    open_account,
)

grants = Table(
    "grants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("ledger_account_id", Text, ForeignKey("ledger_accounts.id"), nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    UniqueConstraint("idempotency_key"),
    Index(None, "user_id"),
)


@dataclass(frozen=True, slots=True)
class GrantRequest:
    user_id: str
    currency: Currency
    amount_nanos: int
    idempotency_key: str
    reason: str
    now: datetime
    expires_at: datetime | None
    """None: it does not expire, and is spent after all grants that do."""


@dataclass(frozen=True, slots=True)
class GrantPart:
    """One posting of a grant that is given in several."""

    amount_nanos: int
    idempotency_key: str
    reference: str
    """What it is given for."""


@dataclass(frozen=True, slots=True)
class Grant:
    id: str
    user_id: str
    currency: Currency
    amount_nanos: int
    ledger_account_id: str
    reason: str
    created_at: datetime
    expires_at: datetime | None
    remaining_nanos: int


def grant(conn: Connection, request: GrantRequest) -> Grant:
    """Give money, once per idempotency key.

    InvalidRequestError for an odd amount, an expiry that has passed, or a key that was used for
    a different grant; NotFoundError for an unknown user."""
    check_amount(request.amount_nanos)
    check_note("idempotency key", request.idempotency_key)
    check_note("reason", request.reason)
    if request.expires_at is not None and request.expires_at <= request.now:
        raise InvalidRequestError("the grant would have expired before it was given")
    get_user(conn, request.user_id)
    # Whoever gives locks this account first, so that one key is never looked up by two at once.
    expense = lock_giving(conn, request.currency, request.now)
    made = _grant_by_key(conn, request.idempotency_key)
    if made is not None:
        return _same_or_refused(made, request)
    return _give(conn, request, expense)


def lock_giving(conn: Connection, currency: Currency, now: datetime) -> str:
    """Wait for whoever else is giving in this currency; the account that grants are paid from."""
    expense = open_account(conn, AccountKind.PROMOTION_EXPENSE, currency, now)
    lock_accounts(conn, [expense])
    return expense


def grant_in_parts(
    conn: Connection, request: GrantRequest, parts: Sequence[GrantPart], reason: str
) -> list[Transfer]:
    """Give money as several postings that each name what they are for. Parts given later under the
    same key of the grant are added to it. The caller holds `lock_giving` and gives no part twice:
    the database refuses that."""
    amount = sum(part.amount_nanos for part in parts)
    assert amount == request.amount_nanos, "a grant is the sum of its parts"
    expense = account_id(AccountKind.PROMOTION_EXPENSE, request.currency)
    made = _grant_by_key(conn, request.idempotency_key)
    if made is None:
        account = _open_grant(conn, request)[1]
    else:
        account = made.ledger_account_id
        grown = update(grants).where(grants.c.id == made.id)
        conn.execute(grown.values(amount_nanos=grants.c.amount_nanos + amount))
    movements = [
        Transfer(
            id=new_id("tr"),
            kind=TransferKind.SINGLE,
            debit_account_id=expense,
            credit_account_id=account,
            currency=request.currency,
            amount_nanos=part.amount_nanos,
            idempotency_key=part.idempotency_key,
            reason=reason,
            created_at=request.now,
            reference=part.reference,
        )
        for part in parts
    ]
    move(conn, movements)
    return movements


def list_grants(conn: Connection, user_id: str) -> list[Grant]:
    """A user's grants, in the order they are spent; used up and expired ones included."""
    query = _QUERY.where(grants.c.user_id == user_id)
    ordered = query.order_by(grants.c.expires_at.is_(None), grants.c.expires_at, grants.c.id)
    return [_grant_from_row(row) for row in conn.execute(ordered)]


def expire_grants(conn: Connection, now: datetime, *, limit: int = 1000) -> int:
    """Take back what is left of grants whose day has passed; how many gave something back.

    What an open hold has reserved stays: it was there when the work began. Whatever of it comes
    back is taken by a later sweep."""
    left = _CREDIT - ledger_accounts.c.debits_pending
    query = select(ledger_accounts.c.id, ledger_accounts.c.currency).where(
        ledger_accounts.c.kind == AccountKind.GRANTED.value,
        ledger_accounts.c.expires_at <= now,
        left > 0,
    )
    due = conn.execute(query.order_by(ledger_accounts.c.id).limit(limit)).all()
    return sum(_take_back(conn, account, Currency(currency), now) for account, currency in due)


def _take_back(conn: Connection, account: str, currency: Currency, now: datetime) -> bool:
    expired = open_account(conn, AccountKind.EXPIRED_GRANTS, currency, now)
    found = lock_accounts(conn, [expired, account])[account]
    if found.available_nanos <= 0:
        return False
    # Posted debits grow with every sweep that takes something, so each has its own key.
    transfer = Transfer(
        id=new_id("tr"),
        kind=TransferKind.SINGLE,
        debit_account_id=account,
        credit_account_id=expired,
        currency=currency,
        amount_nanos=found.available_nanos,
        idempotency_key=f"expire:{account}:{found.debits_posted}",
        reason="grant expired",
        created_at=now,
    )
    move_once(conn, transfer)
    return True


def _give(conn: Connection, request: GrantRequest, expense: str) -> Grant:
    grant_id, account = _open_grant(conn, request)
    transfer = Transfer(
        id=new_id("tr"),
        kind=TransferKind.SINGLE,
        debit_account_id=expense,
        credit_account_id=account,
        currency=request.currency,
        amount_nanos=request.amount_nanos,
        idempotency_key=f"grant:{request.idempotency_key}",
        reason="grant",
        created_at=request.now,
        reference=grant_id,
    )
    move_once(conn, transfer)
    given = _grant_by_key(conn, request.idempotency_key)
    assert given is not None
    return given


def _open_grant(conn: Connection, request: GrantRequest) -> tuple[str, str]:
    """The row and the empty account behind it: (grant id, account id)."""
    grant_id = new_id("grant")
    open_wallet(conn, request.user_id, request.currency, request.now)
    account = open_account(
        conn,
        AccountKind.GRANTED,
        request.currency,
        request.now,
        user_id=request.user_id,
        owner=grant_id,
        expires_at=request.expires_at,
    )
    row = {
        "id": grant_id,
        "user_id": request.user_id,
        "currency": request.currency.value,
        "amount_nanos": request.amount_nanos,
        "ledger_account_id": account,
        "idempotency_key": request.idempotency_key,
        "reason": request.reason,
        "created_at": request.now,
        "expires_at": request.expires_at,
    }
    conn.execute(insert(grants).values(row))
    return grant_id, account


def _same_or_refused(made: Grant, request: GrantRequest) -> Grant:
    if (made.user_id, made.currency, made.amount_nanos) != (
        request.user_id,
        request.currency,
        request.amount_nanos,
    ):
        raise InvalidRequestError(
            f"the idempotency key {request.idempotency_key!r} was used for a different grant"
        )
    return made


def _grant_by_key(conn: Connection, idempotency_key: str) -> Grant | None:
    row = conn.execute(_QUERY.where(grants.c.idempotency_key == idempotency_key)).one_or_none()
    return None if row is None else _grant_from_row(row)


def _grant_from_row(row: Row[*tuple[Any, ...]]) -> Grant:
    return Grant(row[0], row[1], Currency(row[2]), *row[3:])


_CREDIT = ledger_accounts.c.credits_posted - ledger_accounts.c.debits_posted

_QUERY = select(
    grants.c.id,
    grants.c.user_id,
    grants.c.currency,
    grants.c.amount_nanos,
    grants.c.ledger_account_id,
    grants.c.reason,
    grants.c.created_at,
    grants.c.expires_at,
    _CREDIT.label("remaining_nanos"),
).join(ledger_accounts, ledger_accounts.c.id == grants.c.ledger_account_id)
