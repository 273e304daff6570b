"""What follows from a provider's event, decided in one transaction and exactly once.

A payment is credited. What is about a payment, a refund or a chargeback, waits until that payment
is here, and money won back until it was taken, in whatever order they were told. What does not fit
is kept as refused and moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, or_, select

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.billing.payments.base import EventKind, ProviderEvent
from whalefall.billing.provider_events import (
    EventState,
    NotedEvent,
    find_event,
    list_events,
    note_event,
    provider_events,
    set_event_state,
)
from whalefall.billing.top_ups import (
    Payment,
    TopUp,
    TopUpState,
    find_top_up,
    find_top_up_by_payment,
    pay_top_up,
)

Applier = Callable[[Connection, ProviderEvent, datetime], object]
"""Moves the money of an event whose top-up was paid. May run again for the same event's refund;
raises InvalidRequestError or NotFoundError for what does not fit."""

Appliers = Mapping[EventKind, Applier]

_AWAITED = (EventKind.PAID, EventKind.CHARGED_BACK)
"""What other events about the same payment may have been told before."""


def take_event(
    conn: Connection, event: ProviderEvent, body: bytes, appliers: Appliers, now: datetime
) -> NotedEvent:
    """Note the event and do what follows from it, or return what became of it before."""
    known = find_event(conn, event.source, event.event_id)
    if known is not None:
        return known
    noted = _apply(conn, NotedEvent(event, now, EventState.APPLIED, ""), appliers, now)
    note_event(conn, noted, body)
    if event.kind in _AWAITED and noted.state is EventState.APPLIED:
        _apply_waiting(conn, event, appliers, now)
    return noted


def apply_waiting_events(conn: Connection, appliers: Appliers, now: datetime) -> int:
    """Try again what waits; how many do not any more. For what two processes were told at once."""
    num_applied = 0
    for noted in list_events(conn, EventState.WAITING):
        done = _apply(conn, noted, appliers, now)
        if done.state is not EventState.WAITING:
            set_event_state(conn, noted.event, done.state, done.problem)
            num_applied += 1
    return num_applied


def _apply(conn: Connection, noted: NotedEvent, appliers: Appliers, now: datetime) -> NotedEvent:
    event = noted.event
    if event.kind is EventKind.OTHER:
        return replace(noted, state=EventState.IGNORED)
    try:
        # A refusal leaves no half-done movement behind.
        with conn.begin_nested():
            return replace(noted, state=_moved(conn, event, appliers, now))
    except (InvalidRequestError, NotFoundError) as error:
        is_early = event.kind is EventKind.CHARGEBACK_RETURNED and isinstance(error, NotFoundError)
        if is_early:
            return replace(noted, state=EventState.WAITING)
        return replace(noted, state=EventState.REFUSED, problem=error.message)


def _moved(conn: Connection, event: ProviderEvent, appliers: Appliers, now: datetime) -> EventState:
    if event.kind is EventKind.PAID:
        _pay(conn, event, now)
        return EventState.APPLIED
    top_up = _top_up_of(conn, event)
    if top_up is None or top_up.state is not TopUpState.PAID:
        return EventState.WAITING
    _check_is_its_payment(event, top_up)
    applier = appliers.get(event.kind)
    if applier is None:
        raise InvalidRequestError(f"nobody here handles {event.kind}")
    applier(conn, replace(event, top_up_id=top_up.id), now)
    return EventState.APPLIED


def _pay(conn: Connection, event: ProviderEvent, now: datetime) -> None:
    if event.currency is None:
        raise InvalidRequestError("it was paid in a currency that this platform does not have")
    if not event.provider_reference:
        raise InvalidRequestError("the payment has no id of its own")
    payment = Payment(
        top_up_id=event.top_up_id,
        source=event.source,
        provider_reference=event.provider_reference,
        currency=event.currency,
        amount_nanos=event.amount_nanos,
        now=now,
    )
    pay_top_up(conn, payment)


def _top_up_of(conn: Connection, event: ProviderEvent) -> TopUp | None:
    if event.top_up_id:
        return find_top_up(conn, event.top_up_id)
    return find_top_up_by_payment(conn, event.source, event.provider_reference)


def _check_is_its_payment(event: ProviderEvent, top_up: TopUp) -> None:
    reference = event.provider_reference or top_up.provider_reference
    told = (event.source, reference, event.currency or top_up.currency)
    if told != (top_up.source, top_up.provider_reference, top_up.currency):
        raise InvalidRequestError(
            f"{top_up.id} was paid by {top_up.source} {top_up.provider_reference} in "
            f"{top_up.currency}, not by {' '.join(told)}"
        )


def _apply_waiting(
    conn: Connection, came: ProviderEvent, appliers: Appliers, now: datetime
) -> None:
    """What was told about the payment before what it follows from, in the order it was told."""
    columns = provider_events.c
    is_about = or_(
        columns.top_up_id == came.top_up_id, columns.provider_reference == came.provider_reference
    )
    query = (
        select(columns.event_id)
        .where(
            columns.source == came.source.value,
            columns.state == EventState.WAITING.value,
            is_about,
        )
        .order_by(columns.received_at, columns.event_id)
    )
    for event_id in conn.execute(query).scalars().all():
        waiting = find_event(conn, came.source, event_id)
        assert waiting is not None
        done = _apply(conn, waiting, appliers, now)
        set_event_state(conn, waiting.event, done.state, done.problem)
