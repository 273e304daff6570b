"""What went wrong with online payments: notices that fit nothing, those that still wait for their
payment, and orders whose provider does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.base.errors import NotFoundError
from whalefall.billing.checkouts import OpenCheckout, troubled_checkouts
from whalefall.billing.provider_events import (
    EventState,
    NotedEvent,
    find_event,
    list_events,
    set_event_state,
)
from whalefall.billing.top_ups import TopUpSource
from whalefall.console.forms import NoFields
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit


class EventName(msgspec.Struct, frozen=True):
    source: TopUpSource
    event_id: Annotated[str, msgspec.Meta(max_length=200)]


@dataclass(frozen=True, slots=True)
class PaymentsPage:
    refused: tuple[NotedEvent, ...]
    waiting: tuple[NotedEvent, ...]
    troubled: tuple[OpenCheckout, ...]
    sources: tuple[TopUpSource, ...]
    """The providers that are set up."""


async def load_payments(visit: Visit, _query: NoFields) -> PaymentsPage:
    return await visit.database.read(_page, tuple(visit.context.payment_providers))


async def settle_event(visit: Visit, fields: EventName) -> None:
    await visit.database.write(_settle, visit.actor, fields, visit.now)


def _page(conn: Connection, sources: tuple[TopUpSource, ...]) -> PaymentsPage:
    return PaymentsPage(
        refused=tuple(list_events(conn, EventState.REFUSED)),
        waiting=tuple(list_events(conn, EventState.WAITING)),
        troubled=tuple(troubled_checkouts(conn)),
        sources=sources,
    )


def _settle(conn: Connection, actor: Actor, fields: EventName, now: datetime) -> None:
    """Nothing is moved by it: what had to be done was done by hand."""
    noted = find_event(conn, fields.source, fields.event_id)
    if noted is None or noted.state is not EventState.REFUSED:
        raise NotFoundError("there is no such refused notice")
    set_event_state(conn, noted.event, EventState.IGNORED, noted.problem)
    subject = f"{fields.source}:{fields.event_id}"
    record_action(conn, actor, "payment_event.settled", subject, now, noted.problem)


PAYMENTS = View(
    "/operator/payments",
    "operator/payments.html",
    load_payments,
    "Notices of payment providers that fit nothing, and orders whose provider does not answer.",
    standing=Standing.OPERATOR,
)
VIEWS = (PAYMENTS,)
ACTIONS = (
    Action(
        "/operator/payments/settle",
        settle_event,
        PAYMENTS,
        "Note that a refused notice was looked after; moves no money.",
        fields=EventName,
        then="/operator/payments?notice=event_settled",
        standing=Standing.OPERATOR,
    ),
)
