"""Topping up online: choose an amount and a way of paying, pay there, and see here that the money
has come. Whether it has is known from the provider alone, never from the browser that returns."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from whalefall.accounts.users import User
from whalefall.accounts.verification import verified_identity
from whalefall.base.money import NANOS_PER_UNIT, Currency, nanos_from_text
from whalefall.billing.ledger import Balance
from whalefall.billing.payments.base import Checkout
from whalefall.billing.top_ups import TopUp, TopUpSource, TopUpState, list_top_ups
from whalefall.console.cashier import LIMITS, NUM_OPEN_MAX, AmountLimits, Order, OrderRequest
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.pages.usage import shown_balances
from whalefall.console.qr_codes import qr_code
from whalefall.console.routing import Action, View, redirect
from whalefall.console.session import Visit

NUM_ORDERS_SHOWN = 10
REFRESH_SECONDS = 3
AMOUNTS = {Currency.CNY: (10, 50, 100, 500), Currency.USD: (5, 10, 50, 100)}
NOT_AN_AMOUNT = mark("That is not an amount; write it like 12.50.")

Text = Annotated[str, msgspec.Meta(max_length=64)]


class OpenOrder(msgspec.Struct, frozen=True):
    source: TopUpSource
    idempotency_key: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    """Chosen by the caller: the same key opens one order, however often it is sent."""
    amount: Annotated[str, msgspec.Meta(max_length=30)] = ""
    """In the account's currency, like 12.50."""
    chosen: Annotated[str, msgspec.Meta(max_length=30)] = ""
    """One of the amounts on offer, when no other is given."""


class OrderId(msgspec.Struct, frozen=True):
    top_up_id: Text


@dataclass(frozen=True, slots=True)
class TopUpPage:
    balances: tuple[Balance, ...]
    service_email: str
    has_bank_transfers: bool
    sources: tuple[TopUpSource, ...]
    """Where money of the account's currency can come from online."""
    amounts: tuple[int, ...]
    limits: AmountLimits
    is_verified: bool
    orders: tuple[TopUp, ...]
    """The latest, open and ended."""
    num_open_max: int
    new_idempotency_key: str
    sandbox_url: str


@dataclass(frozen=True, slots=True)
class OrderPage:
    top_up: TopUp
    checkout: Checkout | None
    """How to pay; None once that is over."""
    balances: tuple[Balance, ...]
    sandbox_url: str
    refresh_seconds: int
    """The page loads itself anew this often; zero when nothing more is expected."""

    @property
    def qr_code(self) -> Markup:
        """The code to scan, as a picture that needs no other file."""
        assert self.checkout is not None
        return qr_code(self.checkout.qr)


async def load_top_up(visit: Visit, _query: NoFields) -> TopUpPage:
    sources = visit.console.cashier.sources(visit.person.currency)
    wallets, is_verified, orders = await visit.database.read(_state, visit.person, visit.now)
    bank_account = visit.context.bank_account
    return TopUpPage(
        balances=wallets,
        service_email=visit.context.service_email,
        has_bank_transfers=bank_account is not None
        and bank_account.currency is visit.person.currency,
        sources=sources,
        amounts=AMOUNTS[visit.person.currency],
        limits=LIMITS[visit.person.currency],
        is_verified=is_verified,
        orders=orders,
        num_open_max=NUM_OPEN_MAX,
        new_idempotency_key=secrets.token_hex(16),
        sandbox_url=visit.context.sandbox_url,
    )


async def load_order(visit: Visit, query: OrderId) -> OrderPage:
    found = await visit.console.cashier.order(visit.person.id, query.top_up_id)
    wallets = await visit.database.read(shown_balances, visit.person, visit.now)
    is_open = found.top_up.state is TopUpState.OPEN
    return OrderPage(
        top_up=found.top_up,
        checkout=found.checkout.checkout if found.checkout and is_open else None,
        balances=wallets,
        sandbox_url=visit.context.sandbox_url,
        refresh_seconds=REFRESH_SECONDS if is_open else 0,
    )


async def open_order(visit: Visit, fields: OpenOrder) -> Order:
    return await visit.console.cashier.open_order(
        OrderRequest(
            user_id=visit.person.id,
            source=fields.source,
            currency=visit.person.currency,
            amount_nanos=_nanos(fields.amount or fields.chosen),
            key=fields.idempotency_key,
        )
    )


async def cancel_order(visit: Visit, fields: OrderId) -> TopUp:
    return await visit.console.cashier.cancel(visit.person.id, fields.top_up_id)


def to_order(visit: Visit, order: Order) -> Response:
    """Never straight to the provider: a form may not lead to another site."""
    return redirect(visit, f"/top_up/orders/{order.top_up.id}")


def _state(
    conn: Connection, user: User, now: datetime
) -> tuple[tuple[Balance, ...], bool, tuple[TopUp, ...]]:
    orders = [
        each
        for each in list_top_ups(conn, user.id)
        if each.source not in (TopUpSource.BANK, TopUpSource.OPERATOR)
    ]
    return (
        shown_balances(conn, user, now),
        verified_identity(conn, user.id) is not None,
        tuple(orders[:NUM_ORDERS_SHOWN]),
    )


def _nanos(text: str) -> int:
    try:
        nanos = nanos_from_text(text)
    except ValueError:
        raise RefusedError(NOT_AN_AMOUNT) from None
    if nanos <= 0 or nanos % (NANOS_PER_UNIT // 100):
        raise RefusedError(NOT_AN_AMOUNT)
    return nanos


TOP_UP = View("/top_up", "top_up.html", load_top_up, "The balances and how to add to them.")
ORDER = View(
    "/top_up/orders/{top_up_id}",
    "top_up_order.html",
    load_order,
    "One order: how to pay it, and whether it was paid.",
    query=OrderId,
)
VIEWS = (TOP_UP, ORDER)
ACTIONS = (
    Action(
        "/top_up/orders",
        open_order,
        TOP_UP,
        "Open an order for an online payment.",
        fields=OpenOrder,
        then=to_order,
    ),
    Action(
        "/top_up/orders/{top_up_id}/cancel",
        cancel_order,
        ORDER,
        "Call off an order that is not paid.",
        fields=OrderId,
        then="/top_up/orders/{top_up_id}",
    ),
)
