"""Balances, and the life of a hold: reserve before the work, settle after it, exactly once.

A hold draws on grants by earliest expiry, then on paid money, with one pending transfer per
source; settling posts in the same order and returns the rest. Knows nothing of tokens or prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, case, or_, select

from whalefall.base.errors import InsufficientBalanceError, InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.base.statements import Prepared
from whalefall.base.tables import micros_from_instant
from whalefall.billing.holds import (
    Hold,
    HoldState,
    due_hold_ids,
    end_hold,
    find_hold,
    insert_hold,
    lock_hold,
    posted_amounts,
)
from whalefall.billing.transfers import (
    AccountKind,
    Transfer,
    TransferKind,
    account_id,
    ledger_accounts,
    move,
    open_account,
)


@dataclass(frozen=True, slots=True)
class HoldRequest:
    hold_id: str
    """The request's id: asking twice under one id holds once."""
    user_id: str
    currency: Currency
    wanted_nanos: int
    """The worst case. Zero, with a minimum of zero, is for models that cost nothing."""
    minimum_nanos: int
    """The least with which the work may start."""
    instance_id: str
    """Which server process answers for the hold."""
    now: datetime
    expires_at: datetime
    api_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a hold ended."""

    hold: Hold
    granted_nanos: int
    """Charged to grants."""
    paid_nanos: int
    """Charged to topped-up money."""
    is_repeat: bool
    """It had ended before; nothing was moved now."""

    @property
    def cost_nanos(self) -> int:
        return self.granted_nanos + self.paid_nanos

    @property
    def shortfall_nanos(self) -> int:
        return self.hold.shortfall_nanos


@dataclass(frozen=True, slots=True)
class Balance:
    currency: Currency
    granted_nanos: int
    topped_up_nanos: int
    held_nanos: int
    """Reserved by open holds; still part of the two above."""
    available_nanos: int
    """What a new hold may take."""

    @property
    def total_nanos(self) -> int:
        return self.granted_nanos + self.topped_up_nanos

    @property
    def is_available(self) -> bool:
        return self.available_nanos > 0


def open_wallet(conn: Connection, user_id: str, currency: Currency, now: datetime) -> str:
    """Make sure the customer can have and spend money in this currency; the paid account's id."""
    paid = open_account(conn, AccountKind.PAID, currency, now, user_id=user_id)
    open_account(conn, AccountKind.REVENUE, currency, now, user_id=user_id)
    return paid


def balance(conn: Connection, user_id: str, currency: Currency, now: datetime) -> Balance:
    """One wallet; all zeros where there is none."""
    found = [wallet for wallet in balances(conn, user_id, now) if wallet.currency is currency]
    return found[0] if found else Balance(currency, 0, 0, 0, 0)


def balances(conn: Connection, user_id: str, now: datetime) -> tuple[Balance, ...]:
    """All wallets of a user by currency. Expired grants no longer count, swept or not."""
    wallets: dict[str, list[int]] = {}
    for row in _WALLETS.rows(conn, {"user": user_id, "now": micros_from_instant(now)}):
        currency, kind, is_live, posted, pending = row
        wallet = wallets.setdefault(currency, [0, 0, 0, 0])
        wallet[2] += pending
        if is_live:
            wallet[0 if kind == AccountKind.GRANTED else 1] += posted
            wallet[3] += posted - pending
    return tuple(Balance(Currency(name), *wallets[name]) for name in sorted(wallets))


def hold(conn: Connection, request: HoldRequest) -> Hold:
    """Reserve what is wanted, or all there is if that is at least the minimum.

    InsufficientBalanceError otherwise, and nothing has changed. The same id again returns the
    hold as it is by then, whatever its state."""
    _check_hold(request)
    sources = _sources(conn, request)
    held_nanos = min(request.wanted_nanos, sum(available for _, available in sources))
    if held_nanos < request.minimum_nanos:
        return _earlier_hold(conn, request, otherwise=InsufficientBalanceError())
    made = Hold(
        hold_id=request.hold_id,
        user_id=request.user_id,
        currency=request.currency,
        instance_id=request.instance_id,
        state=HoldState.OPEN,
        wanted_nanos=request.wanted_nanos,
        held_nanos=held_nanos,
        cost_nanos=0,
        shortfall_nanos=0,
        created_at=request.now,
        expires_at=request.expires_at,
        api_key_id=request.api_key_id,
    )
    if not insert_hold(conn, made):
        return _earlier_hold(conn, request, otherwise=AssertionError("the hold vanished"))
    move(conn, _reservations(made, sources))
    return made


def settle(conn: Connection, hold_id: str, cost_nanos: int, now: datetime) -> Settlement:
    """Post what the work cost and return the rest, exactly once.

    A cost above what is held is charged up to it and the rest kept as the hold's shortfall. A
    hold that has ended before keeps its end: the first answer is given again, and where it was
    voided or expired the cost, which nobody will pay, becomes its shortfall."""
    if isinstance(cost_nanos, bool) or not 0 <= cost_nanos <= MAX_AMOUNT_NANOS:
        raise InvalidRequestError(f"a cost lies between 0 and {MAX_AMOUNT_NANOS} nanos")
    found, pending = lock_hold(conn, hold_id)
    if found.state is not HoldState.OPEN:
        return _settle_late(conn, found, cost_nanos)
    charged = min(cost_nanos, found.held_nanos)
    ended = replace(
        found,
        state=HoldState.POSTED,
        cost_nanos=charged,
        shortfall_nanos=cost_nanos - charged,
        resolved_at=now,
    )
    return _resolve(conn, ended, pending, TransferKind.VOID)


def void_hold(conn: Connection, hold_id: str, now: datetime) -> Settlement:
    """Return everything: the work never began. A hold that has ended keeps its end."""
    return _release(conn, hold_id, HoldState.VOIDED, now)


def expire_holds(conn: Connection, now: datetime, *, limit: int = 1000) -> list[Hold]:
    """Return what nobody settled in time; the holds that ended so."""
    return [
        _release(conn, hold_id, HoldState.EXPIRED, now).hold
        for hold_id in due_hold_ids(conn, now, limit)
    ]


def _check_hold(request: HoldRequest) -> None:
    wanted, minimum = request.wanted_nanos, request.minimum_nanos
    if isinstance(wanted, bool) or isinstance(minimum, bool):
        raise InvalidRequestError("an amount is a whole number of nanos")
    is_free = wanted == 0 and minimum == 0
    if not is_free and not 0 < minimum <= wanted <= MAX_AMOUNT_NANOS:
        raise InvalidRequestError(
            f"a hold wants between its minimum and {MAX_AMOUNT_NANOS} nanos, "
            f"not {wanted} with a minimum of {minimum}"
        )
    if request.expires_at <= request.now:
        raise InvalidRequestError("a hold expires after it begins")


def _sources(conn: Connection, request: HoldRequest) -> list[tuple[str, int]]:
    """(account, what it can give) in the order of spending, their rows locked."""
    rows = _SOURCES.rows(
        conn,
        {
            "user": request.user_id,
            "currency": request.currency.value,
            "now": micros_from_instant(request.now),
        },
    )
    # Rows are locked in id order and spent in this one: grants by expiry, then paid money.
    rows.sort(key=lambda row: (row[1] == AccountKind.PAID, row[2] is None, row[2] or 0, row[0]))
    return [(row[0], row[3]) for row in rows]


def _reservations(made: Hold, sources: Sequence[tuple[str, int]]) -> list[Transfer]:
    revenue = account_id(AccountKind.REVENUE, made.currency, made.user_id)
    rest = made.held_nanos
    reservations: list[Transfer] = []
    for account, available in sources:
        amount = min(rest, available)
        if amount == 0:
            continue
        rest -= amount
        sequence = len(reservations)
        reservations.append(
            Transfer(
                id=new_id("tr"),
                kind=TransferKind.PENDING,
                debit_account_id=account,
                credit_account_id=revenue,
                currency=made.currency,
                amount_nanos=amount,
                idempotency_key=f"hold:{made.hold_id}:{sequence}",
                reason="usage",
                created_at=made.created_at,
                hold_id=made.hold_id,
                sequence=sequence,
            )
        )
    assert rest == 0, "the sources gave less than they promised"
    return reservations


def _earlier_hold(conn: Connection, request: HoldRequest, otherwise: Exception) -> Hold:
    found = find_hold(conn, request.hold_id)
    if found is None:
        raise otherwise
    if (found.user_id, found.currency) != (request.user_id, request.currency):
        raise InvalidRequestError(f"the hold id {request.hold_id!r} belongs to something else")
    return found


def _release(conn: Connection, hold_id: str, state: HoldState, now: datetime) -> Settlement:
    found, pending = lock_hold(conn, hold_id)
    if found.state is not HoldState.OPEN:
        return _settle_late(conn, found, 0)
    kind = TransferKind.VOID if state is HoldState.VOIDED else TransferKind.EXPIRE
    return _resolve(conn, replace(found, state=state, resolved_at=now), pending, kind)


def _resolve(
    conn: Connection, ended: Hold, pending: Sequence[Transfer], unused: TransferKind
) -> Settlement:
    """Post the cost over the pending transfers in order; those it does not reach are `unused`."""
    assert ended.resolved_at is not None
    rest = ended.cost_nanos
    by_kind = {"granted": 0, "paid": 0}
    resolutions = []
    for reserved in pending:
        charged = min(rest, reserved.amount_nanos)
        rest -= charged
        by_kind[_wallet_kind(reserved.debit_account_id)] += charged
        resolutions.append(
            replace(
                reserved,
                id=new_id("tr"),
                kind=TransferKind.POST if charged else unused,
                amount_nanos=charged or reserved.amount_nanos,
                pending_id=reserved.id,
                pending_nanos=reserved.amount_nanos,
                idempotency_key=f"resolve:{ended.hold_id}:{reserved.sequence}",
                created_at=ended.resolved_at,
            )
        )
    assert rest == 0, "a hold holds less than its transfers say"
    end_hold(conn, ended)
    move(conn, resolutions)
    return Settlement(ended, by_kind["granted"], by_kind["paid"], is_repeat=False)


def _settle_late(conn: Connection, found: Hold, cost_nanos: int) -> Settlement:
    """Tell how the hold ended; what is asked for too late is written down as its shortfall."""
    if found.state is not HoldState.POSTED and cost_nanos > found.shortfall_nanos:
        found = replace(found, shortfall_nanos=cost_nanos)
        end_hold(conn, found)
    by_kind = {"granted": 0, "paid": 0}
    for debit, posted in posted_amounts(conn, found.hold_id):
        by_kind[_wallet_kind(debit)] += posted
    return Settlement(found, by_kind["granted"], by_kind["paid"], is_repeat=True)


def _wallet_kind(account: str) -> str:
    return "granted" if account.startswith(f"la_{AccountKind.GRANTED}_") else "paid"


_AVAILABLE = (
    ledger_accounts.c.credits_posted
    - ledger_accounts.c.debits_posted
    - ledger_accounts.c.debits_pending
)
_IS_LIVE = or_(
    ledger_accounts.c.expires_at.is_(None), ledger_accounts.c.expires_at > bindparam("now")
)

_SOURCES = Prepared(
    select(ledger_accounts.c.id, ledger_accounts.c.kind, ledger_accounts.c.expires_at, _AVAILABLE)
    .where(
        ledger_accounts.c.user_id == bindparam("user"),
        ledger_accounts.c.currency == bindparam("currency"),
        ledger_accounts.c.is_customer,
        or_(ledger_accounts.c.kind == AccountKind.PAID.value, and_(_AVAILABLE > 0, _IS_LIVE)),
    )
    .order_by(ledger_accounts.c.id)
    .with_for_update(key_share=True)
)

_WALLETS = Prepared(
    select(
        ledger_accounts.c.currency,
        ledger_accounts.c.kind,
        case((_IS_LIVE, 1), else_=0),
        ledger_accounts.c.credits_posted - ledger_accounts.c.debits_posted,
        ledger_accounts.c.debits_pending,
    ).where(ledger_accounts.c.user_id == bindparam("user"), ledger_accounts.c.is_customer)
)
