"""Stripe Checkout, for payments in US dollars, through Stripe's own library.

An order is a Checkout session; its payment is known by the id of the PaymentIntent, and refunds and
disputes name that. What happened gets its id from Stripe's object and not from the event that
tells of it, because Stripe tells some things in several events."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import msgspec
import stripe
from stripe.params.checkout import SessionCreateParams

from whalefall.base.clock import Clock
from whalefall.base.money import Currency
from whalefall.billing.payments.base import (
    Checkout,
    EventKind,
    NoticeAnswer,
    NoticeRefusedError,
    PaymentOrder,
    ProviderError,
    ProviderEvent,
    ProviderRefusedError,
    RefundAnswer,
    RefundOrder,
    RefundState,
    StatementLine,
    minor_units_from_nanos,
    nanos_from_minor_units,
)
from whalefall.billing.payments.stripe_statement import line_from_balance_transaction
from whalefall.billing.top_ups import TopUpSource

API_BASE = "https://api.stripe.com"
TIMEOUT_SECONDS = 15.0
TOLERANCE = timedelta(minutes=5)
"""How far a notice's time may be from ours."""
REFUNDS_PER_PAYMENT_MAX = 100
RETRYABLE_CODES = ("balance_insufficient", "lock_timeout", "rate_limit")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StripeAccount:
    secret_key: str
    webhook_secret: str
    api_base: str = API_BASE

    def __post_init__(self) -> None:
        """An empty secret would take anybody's notices for Stripe's."""
        for name, value in (
            ("secret key", self.secret_key),
            ("webhook secret", self.webhook_secret),
        ):
            if not value.strip():
                raise ValueError(f"Stripe's {name} is empty")

    @property
    def is_live(self) -> bool:
        return self.secret_key.startswith(("sk_live_", "rk_live_"))


class Stripe:
    source = TopUpSource.STRIPE
    currencies = frozenset({Currency.USD})
    answer_ok = NoticeAnswer(200, "application/json", b'{"received":true}')
    answer_failed = NoticeAnswer(400, "application/json", b'{"received":false}')

    def __init__(self, account: StripeAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._client = stripe.StripeClient(
            account.secret_key,
            base_addresses={"api": account.api_base},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        )

    def create(self, order: PaymentOrder) -> Checkout:
        session = _asked(
            lambda: self._client.v1.checkout.sessions.create(
                params=_session_params(order), options={"idempotency_key": order.top_up_id}
            )
        )
        if not session.url:
            raise ProviderError("Stripe made a Checkout session without an address")
        return Checkout(url=session.url, reference=session.id)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        header = headers.get("stripe-signature", "")
        self._check_signature(header, body)
        self._check_time(header)
        event = _decoded(body)
        if event.get("livemode") is not self._account.is_live:
            raise NoticeRefusedError("the notice is of Stripe's other mode: live or test")
        return _event_from_notice(event)

    def query(self, top_up_id: str, reference: str) -> ProviderEvent | None:
        assert reference, "Stripe knows its orders by the session's id"
        session = _asked(lambda: self._client.v1.checkout.sessions.retrieve(reference)).to_dict()
        if session.get("client_reference_id") != top_up_id:
            raise ProviderRefusedError(f"Stripe's session {reference} is not that of {top_up_id}")
        return _paid(session) if session.get("payment_status") == "paid" else None

    def close(self, top_up_id: str, reference: str) -> None:
        sessions = self._client.v1.checkout.sessions
        try:
            _asked(lambda: sessions.expire(reference))
        except ProviderRefusedError:
            if self.query(top_up_id, reference) is not None:
                raise

    def refund(self, order: RefundOrder) -> RefundAnswer:
        named = {"refund_id": order.refund_id, "top_up_id": order.top_up_id}
        try:
            made = _asked(
                lambda: self._client.v1.refunds.create(
                    params={
                        "payment_intent": order.provider_reference,
                        "amount": minor_units_from_nanos(order.amount_nanos),
                        "metadata": named,
                    },
                    options={"idempotency_key": order.refund_id},
                )
            )
        except ProviderRefusedError as error:
            return RefundAnswer(RefundState.FAILED, reason=error.message)
        return _refund_answer(made.to_dict())

    def query_refund(self, order: RefundOrder) -> RefundAnswer | None:
        listed = _asked(
            lambda: self._client.v1.refunds.list(
                params={
                    "payment_intent": order.provider_reference,
                    "limit": REFUNDS_PER_PAYMENT_MAX,
                }
            )
        )
        for made in (each.to_dict() for each in listed.data):
            if _metadata(made).get("refund_id") == order.refund_id:
                return _refund_answer(made)
        return None

    def statement(self, day: date) -> Sequence[StatementLine]:
        """A day in UTC, as Stripe counts."""
        begin = datetime.combine(day, time(), UTC)
        first = int(begin.timestamp())
        after = int((begin + timedelta(days=1)).timestamp())

        def read() -> list[dict[str, Any]]:
            page = self._client.v1.balance_transactions.list(
                params={
                    "created": {"gte": first, "lt": after},
                    "limit": 100,
                    "expand": ["data.source"],
                }
            )
            return [each.to_dict() for each in page.auto_paging_iter()]

        lines = map(line_from_balance_transaction, _asked(read))
        return tuple(line for line in lines if line is not None)

    def _check_signature(self, header: str, body: bytes) -> None:
        try:
            stripe.WebhookSignature.verify_header(body, header, self._account.webhook_secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):
            # The last for a signature that is not even ASCII.
            raise NoticeRefusedError("the notice is not signed by Stripe") from None

    def _check_time(self, header: str) -> None:
        """An old notice may be a copy that somebody kept."""
        signed_at = re.search(r"(?:^|,)t=(\d{1,12})(?:,|$)", header)
        seconds = int(signed_at.group(1)) if signed_at else 0
        if abs(self._clock.now().timestamp() - seconds) > TOLERANCE.total_seconds():
            raise NoticeRefusedError("the notice was signed at another time")


def _session_params(order: PaymentOrder) -> SessionCreateParams:
    """The order's id goes to the payment, too: refunds and disputes lead back to it."""
    named = {"top_up_id": order.top_up_id}
    return {
        "mode": "payment",
        "client_reference_id": order.top_up_id,
        "metadata": named,
        "payment_intent_data": {"metadata": named},
        "allowed_payment_method_types": ["card"],
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.currency.value.lower(),
                    "unit_amount": minor_units_from_nanos(order.amount_nanos),
                    "product_data": {"name": order.subject},
                },
            }
        ],
        "expires_at": int(order.expires_at.timestamp()),
        "success_url": order.return_url,
        "cancel_url": order.return_url,
    }


def _asked(call: Callable[[], T]) -> T:
    """The answer, or our errors in place of the library's."""
    try:
        return call()
    except (stripe.InvalidRequestError, stripe.CardError, stripe.IdempotencyError) as error:
        text = f"Stripe: {error.user_message or error.code or type(error).__name__}"
        if error.code in RETRYABLE_CODES:
            raise ProviderError(text) from None
        raise ProviderRefusedError(text) from None
    except stripe.StripeError as error:
        # Its text may repeat the key, so only the kind is told.
        raise ProviderError(f"Stripe does not answer: {type(error).__name__}") from None


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise NoticeRefusedError("the notice is not an object of JSON") from None


def _event_from_notice(event: Mapping[str, Any]) -> ProviderEvent:
    """NoticeRefusedError for one that does not look as Stripe documents it."""
    try:
        return _read(str(event["type"]), event["data"]["object"], str(event["id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise NoticeRefusedError(f"the notice lacks something: {error}") from None


def _read(kind: str, subject: Mapping[str, Any], event_id: str) -> ProviderEvent:
    match kind:
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded" if (
            subject["payment_status"] == "paid"
        ):
            return _paid(subject)
        case "refund.created" | "refund.updated" | "refund.failed":
            return _refunded(subject, event_id)
        case "charge.dispute.funds_withdrawn":
            return _disputed(subject, EventKind.CHARGED_BACK)
        case "charge.dispute.funds_reinstated":
            return _disputed(subject, EventKind.CHARGEBACK_RETURNED)
        case _:
            return ProviderEvent(
                TopUpSource.STRIPE, event_id, EventKind.OTHER, "", "", currency=None, amount_nanos=0
            )


def _paid(session: Mapping[str, Any]) -> ProviderEvent:
    return ProviderEvent(
        source=TopUpSource.STRIPE,
        event_id=f"{session['payment_intent']}:paid",
        kind=EventKind.PAID,
        top_up_id=str(session["client_reference_id"] or ""),
        provider_reference=str(session["payment_intent"]),
        currency=_currency(session),
        amount_nanos=nanos_from_minor_units(int(session["amount_total"])),
    )


def _refunded(refund: Mapping[str, Any], event_id: str) -> ProviderEvent:
    kinds = {
        RefundState.DONE: EventKind.REFUNDED,
        RefundState.FAILED: EventKind.REFUND_FAILED,
        RefundState.PENDING: EventKind.OTHER,
    }
    kind = kinds[_refund_answer(refund).state]
    named = _metadata(refund)
    return ProviderEvent(
        source=TopUpSource.STRIPE,
        event_id=event_id if kind is EventKind.OTHER else f"{refund['id']}:{kind}",
        kind=kind,
        top_up_id=str(named.get("top_up_id", "")),
        provider_reference=str(refund["payment_intent"]),
        currency=_currency(refund),
        amount_nanos=nanos_from_minor_units(int(refund["amount"])),
        refund_id=str(named.get("refund_id", "")),
    )


def _disputed(dispute: Mapping[str, Any], kind: EventKind) -> ProviderEvent:
    return ProviderEvent(
        source=TopUpSource.STRIPE,
        event_id=f"{dispute['id']}:{kind}",
        kind=kind,
        top_up_id="",
        provider_reference=str(dispute["payment_intent"]),
        currency=_currency(dispute),
        amount_nanos=nanos_from_minor_units(int(dispute["amount"])),
    )


def _refund_answer(refund: Mapping[str, Any]) -> RefundAnswer:
    states = {
        "succeeded": RefundState.DONE,
        "failed": RefundState.FAILED,
        "canceled": RefundState.FAILED,
    }
    state = states.get(str(refund.get("status")), RefundState.PENDING)
    reason = str(refund.get("failure_reason") or "") if state is RefundState.FAILED else ""
    return RefundAnswer(state, str(refund["id"]), reason)


def _metadata(subject: Mapping[str, Any]) -> Mapping[str, Any]:
    return subject.get("metadata") or {}


def _currency(subject: Mapping[str, Any]) -> Currency | None:
    """None for a currency that this platform does not have: then nothing fits it."""
    name = str(subject["currency"]).upper()
    return Currency(name) if name in Currency.__members__ else None
