"""`whalefall grant` and `whalefall top-up`: put money on an account, given or paid."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency, nanos_from_text, text_from_nanos
from whalefall.billing.grants import Grant, GrantRequest
from whalefall.billing.grants import grant as give
from whalefall.billing.ledger import balance
from whalefall.billing.top_ups import Deposit, TopUp, record_top_up
from whalefall.cli.audited import Deed, run_audited
from whalefall.cli.output import (
    AsJSON,
    DataDir,
    fail,
    instant_from_text,
    open_database,
    write_record,
)
from whalefall.cli.users import user_by_email

Email = Annotated[str, typer.Argument(help="The person's e-mail address.")]
Amount = Annotated[str, typer.Argument(help="A decimal amount such as 12.50.")]
CurrencyOption = Annotated[
    Currency | None, typer.Option(help="CNY or USD; the account's own when not given.")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key", help="Repeating the command with the same key changes nothing more."
    ),
]


def grant(
    email: Email,
    amount: Amount,
    currency: CurrencyOption = None,
    expires: Annotated[
        str | None, typer.Option(help="Last day (UTC), e.g. 2027-01-31; never when not given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Shown to the user.")] = "operator grant",
    idempotency_key: IdempotencyKey = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Give money. It is spent before topped-up money, earliest expiry first."""
    expires_at = instant_from_text(expires) if expires else None
    with open_database(data_dir) as database:
        user = user_by_email(database, email)
        request = GrantRequest(
            user_id=user.id,
            currency=currency or user.currency,
            amount_nanos=_nanos(amount),
            idempotency_key=idempotency_key or new_id("operator"),
            reason=reason,
            now=SystemClock().now(),
            expires_at=expires_at,
        )
        try:
            deed = Deed[Grant]("balance.granted", lambda grant: grant.user_id, f"{amount} {reason}")
            made = run_audited(database, deed, give, request)
        except PlatformError as error:
            fail(error.message)
        record = {
            "id": made.id,
            "email": user.email,
            "currency": made.currency.value,
            "amount": text_from_nanos(made.amount_nanos),
            "expires_at": made.expires_at.isoformat() if made.expires_at else None,
        }
        record |= _balance(database, user.id, made.currency, request.now)
    write_record("Grant", record, as_json=as_json)


def top_up(
    email: Email,
    amount: Amount,
    currency: CurrencyOption = None,
    reference: Annotated[str, typer.Option(help="Where the money came from.")] = "operator",
    idempotency_key: IdempotencyKey = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Book money that was paid. It never expires and is spent after all grants."""
    with open_database(data_dir) as database:
        user = user_by_email(database, email)
        request = Deposit(
            user_id=user.id,
            currency=currency or user.currency,
            amount_nanos=_nanos(amount),
            idempotency_key=idempotency_key or new_id("operator"),
            reference=reference,
            now=SystemClock().now(),
        )
        try:
            deed = Deed[TopUp]("balance.topped_up", lambda _: user.id, f"{amount} {reference}")
            made = run_audited(database, deed, record_top_up, request)
        except PlatformError as error:
            fail(error.message)
        record: dict[str, str | None] = {
            "id": made.id,
            "email": user.email,
            "currency": made.currency.value,
            "amount": text_from_nanos(made.amount_nanos),
        }
        record |= _balance(database, user.id, made.currency, request.now)
    write_record("Top-up", record, as_json=as_json)


def _nanos(amount: str) -> int:
    try:
        return nanos_from_text(amount)
    except ValueError as error:
        fail(str(error))


def _balance(
    database: Database, user_id: str, currency: Currency, now: datetime
) -> dict[str, str | None]:
    found = database.run(balance, user_id, currency, now)
    return {
        "granted_balance": text_from_nanos(found.granted_nanos),
        "topped_up_balance": text_from_nanos(found.topped_up_nanos),
        "total_balance": text_from_nanos(found.total_nanos),
    }
