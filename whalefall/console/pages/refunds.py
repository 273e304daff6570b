"""Getting unspent money back: what can be refunded, asking for it, and what became of it.

Online payments go back by themselves; whatever came by another way is asked for in a ticket that is
opened with the refund, and returned by the operator's hand."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.throttles import Limit, may_try
from whalefall.accounts.tickets import NewTicket, TicketKind, open_ticket
from whalefall.accounts.users import User
from whalefall.base.errors import RateLimitedError
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.refunds import (
    ONLINE_SOURCES,
    SOURCES_BY_HAND,
    Refund,
    RefundRequest,
    ask_refund,
    attach_ticket,
    list_refunds,
    refundable,
)
from whalefall.billing.top_ups import RefundablePart, TopUpSource
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import Catalog, mark
from whalefall.console.pages.sign_in import TOO_MANY_TRIES
from whalefall.console.rendering import money
from whalefall.console.routing import Action, View
from whalefall.console.session import Visit

PER_PERSON = Limit("refund_person", 20, timedelta(hours=1))


class AskRefund(msgspec.Struct, frozen=True):
    amount: Annotated[str, msgspec.Meta(max_length=30)]
    idempotency_key: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    """Chosen by the caller: the same key asks once, however often it is sent."""
    currency: Currency | None = None
    """The account's own when left out."""


class AskByTicket(msgspec.Struct, frozen=True):
    amount: Annotated[str, msgspec.Meta(max_length=30)]
    idempotency_key: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    currency: Currency | None = None
    text: Annotated[str, msgspec.Meta(max_length=5000)] = ""
    """Which bank account it should go to, and what else the operator should know."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """What can be refunded in one currency."""

    currency: Currency
    online: tuple[RefundablePart, ...]
    """Newest first: the order in which they are refunded."""
    by_hand: tuple[RefundablePart, ...]

    @property
    def online_nanos(self) -> int:
        return sum(part.nanos for part in self.online)

    @property
    def by_hand_nanos(self) -> int:
        return sum(part.nanos for part in self.by_hand)


@dataclass(frozen=True, slots=True)
class RefundsPage:
    wallets: tuple[Wallet, ...]
    refunds: tuple[Refund, ...]
    new_idempotency_key: str


async def load_refunds(visit: Visit, _query: NoFields) -> RefundsPage:
    return await visit.database.read(_page, visit.person)


async def ask(visit: Visit, fields: AskRefund) -> tuple[Refund, ...]:
    await _check_tries(visit)
    request = _request(visit, fields, ONLINE_SOURCES)
    return await visit.database.write(_ask, visit.actor, request)


async def ask_by_ticket(visit: Visit, fields: AskByTicket) -> tuple[Refund, ...]:
    await _check_tries(visit)
    request = _request(visit, fields, SOURCES_BY_HAND)
    letter = _TicketText(visit.person.email, visit.catalog, fields.text)
    return await visit.database.write(_ask_by_ticket, visit.actor, request, letter)


@dataclass(frozen=True, slots=True)
class _TicketText:
    email: str
    catalog: Catalog
    text: str

    def ticket(self, made: Sequence[Refund]) -> NewTicket:
        total = money(sum(each.amount_nanos for each in made), made[0].currency)
        subject = self.catalog.gettext(mark("Refund of %(amount)s")) % {"amount": total}
        lines = [f"- {each.top_up_id}: {money(each.amount_nanos, each.currency)}" for each in made]
        head = self.catalog.gettext(mark("Please return what is left of these payments:"))
        text = "\n".join([head, *lines, "", self.text.strip()])
        return NewTicket(made[0].user_id, self.email, TicketKind.REFUND, subject, text)


async def _check_tries(visit: Visit) -> None:
    if not await visit.database.write(may_try, PER_PERSON, visit.person.id, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)


def _request(
    visit: Visit, fields: AskRefund | AskByTicket, sources: frozenset[TopUpSource]
) -> RefundRequest:
    try:
        nanos = nanos_from_text(fields.amount)
    except ValueError:
        raise RefusedError(mark("That is not an amount; write it like 12.50.")) from None
    if nanos <= 0:
        raise RefusedError(mark("An amount is greater than zero."))
    return RefundRequest(
        user_id=visit.person.id,
        currency=fields.currency or visit.person.currency,
        amount_nanos=nanos,
        idempotency_key=f"person:{fields.idempotency_key}",
        now=visit.now,
        sources=sources,
    )


def _page(conn: Connection, user: User) -> RefundsPage:
    wallets = [_wallet(conn, user, currency) for currency in Currency]
    return RefundsPage(
        wallets=tuple(each for each in wallets if each.online or each.by_hand),
        refunds=tuple(map(_as_told, list_refunds(conn, user_id=user.id))),
        new_idempotency_key=secrets.token_hex(16),
    )


def _as_told(refund: Refund) -> Refund:
    """What a provider said went wrong is for the operator."""
    return replace(refund, problem="")


def _wallet(conn: Connection, user: User, currency: Currency) -> Wallet:
    return Wallet(
        currency=currency,
        online=refundable(conn, user.id, currency, ONLINE_SOURCES),
        by_hand=refundable(conn, user.id, currency, SOURCES_BY_HAND),
    )


def _ask(conn: Connection, actor: Actor, request: RefundRequest) -> tuple[Refund, ...]:
    made = ask_refund(conn, request)
    _record(conn, actor, made, request.now)
    return made


def _ask_by_ticket(
    conn: Connection, actor: Actor, request: RefundRequest, letter: _TicketText
) -> tuple[Refund, ...]:
    """The refund and the ticket that names it, together or not at all; repeated, neither again."""
    made = ask_refund(conn, request)
    if made[0].ticket_id is None:
        ticket = open_ticket(conn, letter.ticket(made), request.now)
        attach_ticket(conn, made, ticket.id)
        _record(conn, actor, made, request.now)
    return made


def _record(conn: Connection, actor: Actor, made: Sequence[Refund], now: datetime) -> None:
    for each in made:
        detail = f"{each.amount_nanos} nanos {each.currency} of {each.top_up_id}"
        record_action(conn, actor, "refund.asked", each.id, now, detail)


REFUNDS = View(
    "/refunds",
    "refunds.html",
    load_refunds,
    "What can be refunded, payment by payment, and the refunds so far.",
)

VIEWS = (REFUNDS,)
ACTIONS = (
    Action(
        "/refunds",
        ask,
        REFUNDS,
        "Return unspent money to the online payments it came with, newest first.",
        fields=AskRefund,
        then="/refunds?notice=refund_asked",
    ),
    Action(
        "/refunds/ticket",
        ask_by_ticket,
        REFUNDS,
        "Ask for unspent money that came by bank or through the operator; opens a ticket.",
        fields=AskByTicket,
        then="/refunds?notice=refund_ticket",
    ),
)
