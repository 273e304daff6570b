"""What follows when a provider tells that money went back: refunds of ours, refunds that nobody
asked for, and what payers' banks took or returned. Each is called once its top-up was paid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection

from whalefall.base.errors import InvalidRequestError
from whalefall.billing.chargebacks import (
    ChargebackKind,
    Reversal,
    charge_back,
    chargeback_to_return,
    win_chargeback,
)
from whalefall.billing.payments.base import EventKind, ProviderEvent
from whalefall.billing.refunds import Refund, confirm_refund, fail_refund, find_refund


def refunded(conn: Connection, event: ProviderEvent, now: datetime) -> None:
    """InvalidRequestError when it does not fit the refund that it names."""
    found = find_refund(conn, event.refund_id) if event.refund_id else None
    if found is None:
        _take(conn, event, ChargebackKind.UNASKED_REFUND, now)
        return
    _check_fits(event, found)
    confirm_refund(conn, found.id, "", now)


def refund_failed(conn: Connection, event: ProviderEvent, now: datetime) -> None:
    """InvalidRequestError for a refund that is not ours, or not as it is told."""
    found = find_refund(conn, event.refund_id) if event.refund_id else None
    if found is None:
        raise InvalidRequestError(f"there is no refund {event.refund_id!r} that could fail")
    _check_fits(event, found)
    fail_refund(conn, found.id, "the provider says that it failed", now)


def charged_back(conn: Connection, event: ProviderEvent, now: datetime) -> None:
    _take(conn, event, ChargebackKind.DISPUTE, now)


def chargeback_returned(conn: Connection, event: ProviderEvent, now: datetime) -> None:
    found = chargeback_to_return(conn, event.top_up_id, event.amount_nanos)
    win_chargeback(conn, found.id, now)


APPLIERS: Mapping[EventKind, Callable[[Connection, ProviderEvent, datetime], None]] = (
    MappingProxyType(
        {
            EventKind.REFUNDED: refunded,
            EventKind.REFUND_FAILED: refund_failed,
            EventKind.CHARGED_BACK: charged_back,
            EventKind.CHARGEBACK_RETURNED: chargeback_returned,
        }
    )
)


def _take(conn: Connection, event: ProviderEvent, kind: ChargebackKind, now: datetime) -> None:
    if event.currency is None or event.amount_nanos <= 0:
        raise InvalidRequestError("it does not say how much went back")
    reversal = Reversal(
        top_up_id=event.top_up_id,
        kind=kind,
        event_id=event.event_id,
        currency=event.currency,
        amount_nanos=event.amount_nanos,
        now=now,
    )
    charge_back(conn, reversal)


def _check_fits(event: ProviderEvent, found: Refund) -> None:
    """A provider need not say the amount; when it does, it is the refund's."""
    told = (
        event.top_up_id,
        event.currency or found.currency,
        event.amount_nanos or found.amount_nanos,
    )
    if told != (found.top_up_id, found.currency, found.amount_nanos):
        raise InvalidRequestError(
            f"{found.id} returns {found.amount_nanos} nanos {found.currency} of "
            f"{found.top_up_id}, not {told[2]} nanos {told[1]} of {told[0]}"
        )
