"""How a verified enterprise pays by bank transfer: its virtual account number and what to write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from whalefall.accounts.users import User
from whalefall.accounts.verification import VerificationKind, verified_identity
from whalefall.billing.virtual_accounts import (
    BankAccount,
    give_virtual_account,
    grouped_number,
    virtual_account_of,
)
from whalefall.console.forms import NoFields
from whalefall.console.routing import View
from whalefall.console.session import Visit

MINUTES_MIN = 10
MINUTES_MAX = 60


@dataclass(frozen=True, slots=True)
class TransferDetails:
    """What stands on the order for the bank."""

    account_number: str
    account_number_grouped: str
    holder: str
    bank: str
    branch: str
    currency: str
    payer_name: str
    """The only name that is credited by itself."""


@dataclass(frozen=True, slots=True)
class BankTransferPage:
    is_offered: bool
    """The operator has named an account, and it is in the currency of this user."""
    verified_as: VerificationKind | None
    details: TransferDetails | None
    """Only for enterprises."""
    minutes_min: int = MINUTES_MIN
    """How long after its arrival money is usually credited."""
    minutes_max: int = MINUTES_MAX


async def load_bank_transfer(visit: Visit, _query: NoFields) -> BankTransferPage:
    return await bank_transfer_of(visit)


async def bank_transfer_of(visit: Visit) -> BankTransferPage:
    """For the page of top-ups, too. A number that is missing is drawn now."""
    account = visit.context.bank_account
    page = await visit.database.read(_page, account, visit.person)
    is_numberless = page.details is None and page.verified_as is VerificationKind.ENTERPRISE
    if account is None or not page.is_offered or not is_numberless:
        return page
    return await visit.database.write(_page_with_number, account, visit.person, visit.now)


def _page_with_number(
    conn: Connection, account: BankAccount, user: User, now: datetime
) -> BankTransferPage:
    give_virtual_account(conn, user.id, account.number, now)
    return _page(conn, account, user)


def _page(conn: Connection, account: BankAccount | None, user: User) -> BankTransferPage:
    identity = verified_identity(conn, user.id)
    kind = identity.kind if identity is not None else None
    if account is None or account.currency is not user.currency:
        return BankTransferPage(False, kind, None)
    if identity is None or identity.kind is not VerificationKind.ENTERPRISE:
        return BankTransferPage(True, kind, None)
    found = virtual_account_of(conn, user.id, account.number)
    if found is None:
        return BankTransferPage(True, kind, None)
    details = TransferDetails(
        account_number=found.number,
        account_number_grouped=grouped_number(found.number),
        holder=account.holder,
        bank=account.bank,
        branch=account.branch,
        currency=account.currency.value,
        payer_name=identity.name,
    )
    return BankTransferPage(True, kind, details)


VIEWS = (
    View(
        "/top_up/bank",
        "bank_transfer_page.html",
        load_bank_transfer,
        "The account number to pay to by bank transfer, for verified enterprises.",
    ),
)
