"""Lines of Stripe's books: balance transactions with what caused them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whalefall.base.money import Currency
from whalefall.billing.payments.base import EventKind, StatementLine, nanos_from_minor_units

KINDS = {
    "charge": EventKind.PAID,
    "payment": EventKind.PAID,
    "refund": EventKind.REFUNDED,
    "payment_refund": EventKind.REFUNDED,
    "refund_failure": EventKind.REFUND_FAILED,
    "payment_failure_refund": EventKind.REFUND_FAILED,
}
DISPUTES = {
    "dispute": EventKind.CHARGED_BACK,
    "dispute_reversal": EventKind.CHARGEBACK_RETURNED,
}


def line_from_balance_transaction(moved: Mapping[str, Any]) -> StatementLine | None:
    """None for what is not a customer's: payouts, fees, loans. Amount and currency are the
    cause's own: Stripe's books may be kept in another currency."""
    source = moved.get("source")
    kind = KINDS.get(str(moved["type"])) or DISPUTES.get(str(moved.get("reporting_category")))
    if kind is None or not isinstance(source, Mapping):
        return None
    name = str(source["currency"]).upper()
    if name not in Currency.__members__:
        return None
    named = source.get("metadata") or {}
    return StatementLine(
        kind=kind,
        provider_reference=str(source.get("payment_intent") or ""),
        top_up_id=str(named.get("top_up_id", "")),
        refund_id=str(named.get("refund_id", "")),
        currency=Currency(name),
        amount_nanos=nanos_from_minor_units(abs(int(source["amount"]))),
    )
