"""Billing: what is in the wallets, where it came from, and until when it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from whalefall.accounts.users import User
from whalefall.billing.grants import Grant, list_grants
from whalefall.billing.ledger import Balance
from whalefall.billing.rerating import CorrectionMade, list_corrections
from whalefall.billing.top_ups import TopUp, TopUpState, list_top_ups
from whalefall.console.forms import NoFields
from whalefall.console.pages.usage import shown_balances
from whalefall.console.routing import View
from whalefall.console.session import Visit


@dataclass(frozen=True, slots=True)
class TransactionsPage:
    balances: tuple[Balance, ...]
    top_ups: tuple[TopUp, ...]
    grants: tuple[Grant, ...]
    corrections: tuple[CorrectionMade, ...]
    """Past charges that were credited, each with its request."""


async def load_transactions(visit: Visit, _query: NoFields) -> TransactionsPage:
    return await visit.database.read(_transactions, visit.person, visit.now)


def _transactions(conn: Connection, user: User, now: datetime) -> TransactionsPage:
    return TransactionsPage(
        balances=shown_balances(conn, user, now),
        top_ups=tuple(list_top_ups(conn, user.id, state=TopUpState.PAID)),
        grants=tuple(reversed(list_grants(conn, user.id))),
        corrections=tuple(list_corrections(conn, user.id)),
    )


VIEWS = (
    View(
        "/transactions",
        "transactions.html",
        load_transactions,
        "Top-ups and grants, with what is left of each grant and until when.",
    ),
)
