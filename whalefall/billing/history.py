"""What a customer's account tells of the past: what a request cost, money given up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from whalefall.base.errors import InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.ledger import balances
from whalefall.billing.transfers import (
    CUSTOMER_KINDS,
    AccountKind,
    Transfer,
    TransferKind,
    ledger_accounts,
    lock_accounts,
    move_once,
    open_account,
)
from whalefall.billing.usage import usage_records


def forfeit_balances(conn: Connection, user_id: str, now: datetime) -> list[Transfer]:
    """Give up everything a customer has, paid and granted. InvalidRequestError while a request of
    theirs still runs: what it costs is not known yet."""
    if any(wallet.held_nanos for wallet in balances(conn, user_id, now)):
        raise InvalidRequestError(REQUEST_RUNNING)
    query = select(ledger_accounts.c.id, ledger_accounts.c.currency).where(
        ledger_accounts.c.user_id == user_id,
        ledger_accounts.c.kind.in_([kind.value for kind in CUSTOMER_KINDS]),
    )
    found = conn.execute(query.order_by(ledger_accounts.c.id)).all()
    made = [_forfeit(conn, account, Currency(currency), now) for account, currency in found]
    return [transfer for transfer in made if transfer is not None]


def cost_of_request(conn: Connection, request_id: str) -> int:
    """What a request was charged; zero while it has not been, or when it cost nothing."""
    query = select(usage_records.c.granted_nanos, usage_records.c.paid_nanos).where(
        usage_records.c.request_id == request_id
    )
    row = conn.execute(query).one_or_none()
    return 0 if row is None else int(row.granted_nanos + row.paid_nanos)


REQUEST_RUNNING = "A request of yours is still running. Please try again when it has ended."


def _forfeit(conn: Connection, account: str, currency: Currency, now: datetime) -> Transfer | None:
    forfeited = open_account(conn, AccountKind.FORFEITED, currency, now)
    left = lock_accounts(conn, [forfeited, account])[account].available_nanos
    if left <= 0:
        return None
    return move_once(
        conn,
        Transfer(
            id=new_id("tr"),
            kind=TransferKind.SINGLE,
            debit_account_id=account,
            credit_account_id=forfeited,
            currency=currency,
            amount_nanos=left,
            idempotency_key=f"forfeit:{account}",
            reason="account deleted",
            created_at=now,
        ),
    )
