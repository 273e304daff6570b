"""What the platform asks of a payment provider, and what it is told by one.

An adapter knows one provider's protocol and nothing of the database: it is called from a thread,
with no transaction open. It checks where a message comes from; whether the message fits an order
is the cashier's business."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from whalefall.base.errors import InvalidRequestError, OverloadedError, PermissionDeniedError
from whalefall.base.money import Currency
from whalefall.billing.top_ups import TopUpSource

NANOS_PER_MINOR_UNIT = 10_000_000
"""In one fen or one cent."""
NOTICE_BYTES_MAX = 64 << 10


class ProviderError(OverloadedError):
    """The provider cannot be reached or does not answer as it should; it may help to try again."""


class ProviderRefusedError(InvalidRequestError):
    """The provider understood and said no: the same call will be refused again."""


class NoticeRefusedError(PermissionDeniedError):
    """A notice is not from the provider, not for this platform, or too old. It changes nothing."""


class EventKind(enum.StrEnum):
    PAID = "paid"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    """For good: the money is with the platform again."""
    CHARGED_BACK = "charged_back"
    """The payer's bank took the money back."""
    CHARGEBACK_RETURNED = "chargeback_returned"
    """And gave it to the platform again, because the platform was right."""
    OTHER = "other"
    """Told for completeness; changes nothing."""


class RefundState(enum.StrEnum):
    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"
    """For good; asking again under the same refund id will not help."""


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    top_up_id: str
    """`topup_` and 32 hex digits; where a provider takes fewer characters, the digits alone."""
    currency: Currency
    amount_nanos: int
    """Whole fen or cents."""
    subject: str
    """What the payer reads, e.g. the platform's name and `top-up`."""
    expires_at: datetime
    return_url: str
    """Where the browser goes afterwards, paid or not."""
    notify_url: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """How an order is paid: either in the browser at `url`, or by scanning `qr`."""

    url: str = ""
    qr: str = ""
    """The text of the QR code."""
    reference: str = ""
    """The provider's own id of the order, where it has one; `query` and `close` get it back."""


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    source: TopUpSource
    event_id: str
    """The provider's own id of what happened: the same thing told twice has the same id."""
    kind: EventKind
    top_up_id: str
    """Empty when the provider does not say; then provider_reference tells."""
    provider_reference: str
    """The provider's own id of the payment, under which it refunds."""
    currency: Currency | None
    amount_nanos: int
    """What was paid, refunded or charged back; zero when it does not matter."""
    refund_id: str = ""
    """Ours, for refunds."""


@dataclass(frozen=True, slots=True)
class NoticeAnswer:
    """What a provider wants to read back."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RefundOrder:
    refund_id: str
    """Ours: asking twice under one id refunds once."""
    top_up_id: str
    provider_reference: str
    currency: Currency
    amount_nanos: int
    total_nanos: int
    """What was paid in all."""


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    state: RefundState
    reference: str = ""
    """The provider's own id of the refund."""
    reason: str = ""
    """Why it failed, for the operator."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement of a day, as the provider's books have it."""

    kind: EventKind
    provider_reference: str
    top_up_id: str
    refund_id: str
    currency: Currency
    amount_nanos: int
    """Above zero whichever way it went; fees are not taken off."""


class PaymentProvider(Protocol):
    """Every method may raise ProviderError, and ProviderRefusedError where it asks for something.
    Calls end within some twenty seconds."""

    @property
    def source(self) -> TopUpSource: ...

    @property
    def currencies(self) -> frozenset[Currency]: ...

    @property
    def answer_ok(self) -> NoticeAnswer:
        """The notice was taken: do not send it again."""
        ...

    @property
    def answer_failed(self) -> NoticeAnswer:
        """The notice was not taken: send it again, if it was yours."""
        ...

    def create(self, order: PaymentOrder) -> Checkout: ...

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Verify a notice and say what it means. Header names are in lower case.
        NoticeRefusedError for anything that was not provably sent by the provider just now."""
        ...

    def query(self, top_up_id: str, reference: str) -> ProviderEvent | None:
        """The payment of an order, for when no notice comes; None while it is unpaid.
        `reference` is that of the order's Checkout."""
        ...

    def close(self, top_up_id: str, reference: str) -> None:
        """Take an unpaid order back, so that nobody can pay it. One that is closed already, or
        that the provider never heard of, is fine; ProviderRefusedError when it was just paid."""
        ...

    def refund(self, order: RefundOrder) -> RefundAnswer: ...

    def query_refund(self, order: RefundOrder) -> RefundAnswer | None:
        """None when the provider never heard of it."""
        ...

    def statement(self, day: date) -> Sequence[StatementLine]:
        """All movements of a day in the provider's own time zone."""
        ...


def minor_units_from_nanos(nanos: int) -> int:
    """Whole fen or cents. InvalidRequestError for a finer amount, or for none at all."""
    if nanos <= 0 or nanos % NANOS_PER_MINOR_UNIT:
        raise InvalidRequestError("an online payment is a whole number of fen or cents")
    return nanos // NANOS_PER_MINOR_UNIT


def nanos_from_minor_units(amount: int) -> int:
    return amount * NANOS_PER_MINOR_UNIT
