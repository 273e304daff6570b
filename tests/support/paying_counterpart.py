"""A payment provider with books of its own, for payments as well as for refunds: what happened is
known by its lines alone, whatever of it we were told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date

from typing_extensions import override

from tests.support.counterpart import Counterpart
from tests.support.fake_clock import FakeClock
from whalefall.billing.payments.base import (
    EventKind,
    ProviderEvent,
    RefundAnswer,
    RefundOrder,
    RefundState,
    StatementLine,
)
from whalefall.billing.top_ups import TopUp

INCOMING = (EventKind.PAID, EventKind.CHARGEBACK_RETURNED)


@dataclass
class PayingCounterpart(Counterpart):
    clock: FakeClock = field(default_factory=FakeClock)
    events: list[ProviderEvent] = field(default_factory=list)
    """All that happened, as notices tell of it."""
    lines: list[tuple[date, StatementLine]] = field(default_factory=list)
    refunded: set[str] = field(default_factory=set)

    def pay(self, order: TopUp) -> ProviderEvent:
        """The customer pays an order, once."""
        return self._happens(EventKind.PAID, order, order.amount_nanos)

    def charge_back(self, order: TopUp, nanos: int) -> ProviderEvent:
        return self._happens(EventKind.CHARGED_BACK, order, nanos)

    def return_chargeback(self, order: TopUp, nanos: int) -> ProviderEvent:
        return self._happens(EventKind.CHARGEBACK_RETURNED, order, nanos)

    @override
    def refund(self, order: RefundOrder) -> RefundAnswer:
        try:
            return super().refund(order)
        finally:
            self._note_refunds()

    @override
    def finish(self, state: RefundState) -> None:
        super().finish(state)
        self._note_refunds()

    @override
    def statement(self, day: date) -> Sequence[StatementLine]:
        return [line for then, line in self.lines if then == day]

    @property
    def balance_nanos(self) -> int:
        """What it has of ours."""
        return sum(
            line.amount_nanos if line.kind in INCOMING else -line.amount_nanos
            for _, line in self.lines
        )

    def _note_refunds(self) -> None:
        for refund_id, (order, state) in self.books.items():
            if state is RefundState.DONE and refund_id not in self.refunded:
                self.refunded.add(refund_id)
                self._add(
                    StatementLine(
                        EventKind.REFUNDED,
                        order.provider_reference,
                        order.top_up_id,
                        refund_id,
                        order.currency,
                        order.amount_nanos,
                    )
                )

    def _happens(self, kind: EventKind, order: TopUp, nanos: int) -> ProviderEvent:
        reference = f"pay_{order.id[-12:]}"
        return self._add(StatementLine(kind, reference, order.id, "", order.currency, nanos))

    def _add(self, line: StatementLine) -> ProviderEvent:
        self.lines.append((self.clock.now().astimezone(UTC).date(), line))
        event = ProviderEvent(
            source=self.source,
            event_id=f"evt_{len(self.lines)}",
            kind=line.kind,
            top_up_id=line.top_up_id,
            provider_reference=line.provider_reference,
            currency=line.currency,
            amount_nanos=line.amount_nanos,
            refund_id=line.refund_id,
        )
        self.events.append(event)
        return event
