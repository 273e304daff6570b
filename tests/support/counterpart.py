"""The other side of refunds: a payment provider that keeps books of its own, can be down, can lose
its answer on the way, be slow, refuse, or finish later. It refunds nothing twice under one id and
never more than was paid; what it did is known by its books alone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, auto

from tests.support.bank import Bank
from whalefall.accounts.users import User
from whalefall.base.money import Currency
from whalefall.billing.payments.base import (
    Checkout,
    EventKind,
    NoticeAnswer,
    PaymentOrder,
    ProviderError,
    ProviderEvent,
    ProviderRefusedError,
    RefundAnswer,
    RefundOrder,
    RefundState,
    StatementLine,
)
from whalefall.billing.top_ups import (
    Payment,
    TopUp,
    TopUpRequest,
    TopUpSource,
    open_top_up,
    pay_top_up,
)

OK = NoticeAnswer(200, "text/plain", b"ok")
NO = NoticeAnswer(400, "text/plain", b"no")


class Mood(Enum):
    DOWN = auto()
    """Does nothing and cannot be reached."""
    MUTE = auto()
    """Does what it is asked, and the answer is lost."""
    LATE = auto()
    """Takes it, and does it when `finish` is called."""
    STRICT = auto()
    """Says no to the call."""
    BROKE = auto()
    """Takes it, and it fails for good."""


@dataclass
class Counterpart:
    source: TopUpSource = TopUpSource.STRIPE
    currencies: frozenset[Currency] = frozenset(Currency)
    moods: deque[Mood] = field(default_factory=deque)
    """One for each of the next calls; then it does what it is asked."""
    books: dict[str, tuple[RefundOrder, RefundState]] = field(default_factory=dict)
    num_calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer_ok: NoticeAnswer = OK
    answer_failed: NoticeAnswer = NO

    def refund(self, order: RefundOrder) -> RefundAnswer:
        with self.lock:
            mood = self._next_mood()
            known = self.books.get(order.refund_id)
            if known is not None:
                assert known[0] == order, "one id, two refunds"
            elif mood is Mood.STRICT or self._left_of(order) < order.amount_nanos:
                raise ProviderRefusedError("refused")
            else:
                ends = {Mood.LATE: RefundState.PENDING, Mood.BROKE: RefundState.FAILED}
                self.books[order.refund_id] = (order, ends.get(mood or Mood.MUTE, RefundState.DONE))
            if mood is Mood.MUTE:
                raise ProviderError("the answer was lost")
            return self._answer(order.refund_id)

    def query_refund(self, order: RefundOrder) -> RefundAnswer | None:
        with self.lock:
            self._next_mood()
            return self._answer(order.refund_id) if order.refund_id in self.books else None

    def finish(self, state: RefundState) -> None:
        """Whatever is pending ends so."""
        for refund_id, (order, now) in self.books.items():
            if now is RefundState.PENDING:
                self.books[refund_id] = (order, state)

    @property
    def paid_out_nanos(self) -> int:
        return sum(
            order.amount_nanos for order, state in self.books.values() if state is RefundState.DONE
        )

    def _next_mood(self) -> Mood | None:
        self.num_calls += 1
        mood = self.moods.popleft() if self.moods else None
        if mood is Mood.DOWN:
            raise ProviderError("nobody answers")
        return mood

    def _left_of(self, order: RefundOrder) -> int:
        gone = sum(
            other.amount_nanos
            for other, state in self.books.values()
            if other.top_up_id == order.top_up_id and state is not RefundState.FAILED
        )
        return order.total_nanos - gone

    def _answer(self, refund_id: str) -> RefundAnswer:
        state = self.books[refund_id][1]
        reason = "the account is closed" if state is RefundState.FAILED else ""
        return RefundAnswer(state, f"re_{refund_id[-8:]}", reason)

    def create(self, order: PaymentOrder) -> Checkout:
        raise AssertionError(f"nobody pays here: {order}")

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        raise AssertionError(f"no notices come from here: {headers} {body!r}")

    def query(self, top_up_id: str, reference: str) -> ProviderEvent | None:
        raise AssertionError(f"nobody pays here: {top_up_id} {reference}")

    def close(self, top_up_id: str, reference: str) -> None:
        raise AssertionError(f"nobody pays here: {top_up_id} {reference}")

    def statement(self, day: date) -> Sequence[StatementLine]:
        """Everything there was up to this day."""
        assert day >= date(2020, 1, 1)
        return [
            StatementLine(
                EventKind.REFUNDED,
                order.provider_reference,
                order.top_up_id,
                order.refund_id,
                order.currency,
                order.amount_nanos,
            )
            for order, state in self.books.values()
            if state is RefundState.DONE
        ]


def paid_online(
    bank: Bank, user: User, nanos: int, source: TopUpSource = TopUpSource.STRIPE
) -> TopUp:
    """An order that was paid, a second after whatever came before."""
    bank.clock.advance(1)
    key = f"order {bank.now.isoformat()}"
    request = TopUpRequest(user.id, source, bank.currency, nanos, key, bank.now)
    ordered = bank.database.run(open_top_up, request)
    payment = Payment(ordered.id, source, f"pay_{ordered.id[-12:]}", bank.currency, nanos, bank.now)
    return bank.database.run(pay_top_up, payment)
