"""The adapter for Stripe against the sandbox's, through Stripe's own library and real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from tests.support.fake_clock import FakeClock
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.payments.base import (
    Checkout,
    EventKind,
    PaymentOrder,
    ProviderError,
    ProviderRefusedError,
    RefundOrder,
    RefundState,
)
from whalefall.billing.payments.stripe import Stripe, StripeAccount
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.server import Sandbox, SandboxKeys, new_keys, open_sandbox
from whalefall.sandbox.stripe_books import JsonObject

TEN = 10_000_000_000


@pytest.fixture(scope="session")
def sandbox_keys() -> SandboxKeys:
    return new_keys()


@dataclass
class Counter:
    """A till beside the sandbox."""

    stripe: Stripe
    sandbox: Sandbox
    clock: FakeClock

    def order(self, top_up_id: str = "topup_1", nanos: int = TEN) -> PaymentOrder:
        expires_at = self.clock.now() + timedelta(hours=1)
        back = "http://127.0.0.1:9/back"
        return PaymentOrder(top_up_id, Currency.USD, nanos, "Top-up", expires_at, back, back)

    async def create(self, order: PaymentOrder | None = None) -> Checkout:
        return await asyncio.to_thread(self.stripe.create, order or self.order())

    async def paid(self, top_up_id: str = "topup_1") -> JsonObject:
        made = await self.create(self.order(top_up_id))
        return self.sandbox.stripe.books.pay(made.reference, self.clock.now())

    def course(self, course: RefundCourse) -> None:
        self.sandbox.stripe.books.refund_course = course


def refund_of(session: JsonObject, nanos: int = TEN, refund_id: str = "refund_1") -> RefundOrder:
    top_up_id, intent = session["client_reference_id"], session["payment_intent"]
    return RefundOrder(refund_id, top_up_id, intent, Currency.USD, nanos, TEN)


@pytest.fixture
async def counter(clock: FakeClock, sandbox_keys: SandboxKeys) -> AsyncIterator[Counter]:
    nobody = "http://127.0.0.1:9"
    async with open_sandbox(nobody, clock, (0.0,), 30.0, sandbox_keys) as sandbox:
        party = sandbox.stripe_party
        account = StripeAccount(party.secret_key, party.webhook_secret, f"{sandbox.url}/stripe")
        yield Counter(Stripe(account, clock), sandbox, clock)


async def test_an_order_asked_for_twice_is_one_session(counter: Counter) -> None:
    made = await counter.create()
    assert made.url.startswith(f"{counter.sandbox.url}/stripe/pay/")
    assert await counter.create() == made
    with pytest.raises(ProviderRefusedError):
        await counter.create(counter.order(nanos=2 * TEN))
    for nanos in (1, TEN + 1, 0):
        with pytest.raises(InvalidRequestError, match="cents"):
            await counter.create(counter.order("topup_2", nanos))


async def test_a_query_tells_of_the_payment_as_its_notice_does(counter: Counter) -> None:
    made = await counter.create()
    assert await asyncio.to_thread(counter.stripe.query, "topup_1", made.reference) is None
    session = counter.sandbox.stripe.books.pay(made.reference, counter.clock.now())
    found = await asyncio.to_thread(counter.stripe.query, "topup_1", made.reference)
    assert found is not None
    assert (found.kind, found.top_up_id, found.amount_nanos) == (EventKind.PAID, "topup_1", TEN)
    assert found.provider_reference == session["payment_intent"]
    assert found.currency is Currency.USD
    with pytest.raises(ProviderRefusedError, match="not that of topup_2"):
        await asyncio.to_thread(counter.stripe.query, "topup_2", made.reference)


async def test_an_unpaid_order_is_closed_and_a_paid_one_is_not(counter: Counter) -> None:
    made = await counter.create()
    for _ in range(2):
        await asyncio.to_thread(counter.stripe.close, "topup_1", made.reference)
    assert counter.sandbox.stripe.books.sessions[made.reference]["status"] == "expired"
    session = await counter.paid("topup_2")
    with pytest.raises(ProviderRefusedError):
        await asyncio.to_thread(counter.stripe.close, "topup_2", session["id"])


async def test_a_refund_is_made_once_and_never_beyond_the_payment(counter: Counter) -> None:
    order = refund_of(await counter.paid(), 6_000_000_000)
    first = await asyncio.to_thread(counter.stripe.refund, order)
    assert first.state is RefundState.DONE
    assert await asyncio.to_thread(counter.stripe.refund, order) == first
    assert await asyncio.to_thread(counter.stripe.query_refund, order) == first
    other = replace(order, refund_id="refund_2")
    assert await asyncio.to_thread(counter.stripe.query_refund, other) is None
    beyond = await asyncio.to_thread(counter.stripe.refund, other)
    assert beyond.state is RefundState.FAILED
    assert "greater" in beyond.reason


@pytest.mark.parametrize(
    ("course", "at_first", "in_the_end"),
    [
        (RefundCourse.LATE, RefundState.PENDING, RefundState.DONE),
        (RefundCourse.FAILS_LATE, RefundState.PENDING, RefundState.FAILED),
        (RefundCourse.REFUSED, RefundState.FAILED, None),
    ],
)
async def test_refunds_take_other_courses(
    counter: Counter, course: RefundCourse, at_first: RefundState, in_the_end: RefundState | None
) -> None:
    order = refund_of(await counter.paid())
    counter.course(course)
    assert (await asyncio.to_thread(counter.stripe.refund, order)).state is at_first
    for made in counter.sandbox.stripe.books.refunds.values():
        counter.sandbox.stripe.books.finish_refund(made, counter.clock.now())
    found = await asyncio.to_thread(counter.stripe.query_refund, order)
    assert (found.state if found else None) is in_the_end


async def test_a_merchant_without_funds_may_try_again(counter: Counter) -> None:
    order = refund_of(await counter.paid())
    counter.course(RefundCourse.NO_FUNDS)
    with pytest.raises(ProviderError):
        await asyncio.to_thread(counter.stripe.refund, order)
    counter.course(RefundCourse.AT_ONCE)
    assert (await asyncio.to_thread(counter.stripe.refund, order)).state is RefundState.DONE


async def test_the_statement_of_a_day_has_all_that_moved_on_it(counter: Counter) -> None:
    session = await counter.paid()
    await asyncio.to_thread(counter.stripe.refund, refund_of(session, 4_000_000_000))
    day = counter.clock.now().date()
    counter.clock.advance(24 * 3600)
    intent, now = session["payment_intent"], counter.clock.now()
    counter.sandbox.stripe.books.dispute(intent, now)
    counter.sandbox.stripe.books.win_dispute(intent, now)

    first = await asyncio.to_thread(counter.stripe.statement, day)
    assert {(line.kind, line.amount_nanos, line.top_up_id, line.refund_id) for line in first} == {
        (EventKind.PAID, TEN, "topup_1", ""),
        (EventKind.REFUNDED, 4_000_000_000, "topup_1", "refund_1"),
    }
    second = await asyncio.to_thread(counter.stripe.statement, now.date())
    assert {(line.kind, line.amount_nanos, line.provider_reference) for line in second} == {
        (EventKind.CHARGED_BACK, 6_000_000_000, intent),
        (EventKind.CHARGEBACK_RETURNED, 6_000_000_000, intent),
    }


async def test_a_long_statement_is_read_to_its_end(counter: Counter) -> None:
    session = await counter.paid()
    books, now = counter.sandbox.stripe.books, counter.clock.now()
    source = {"currency": "usd", "amount": 1, "payment_intent": session["payment_intent"]}
    for number in range(250):
        books.movements.append(
            {
                "id": f"txn_{number}",
                "object": "balance_transaction",
                "type": "charge",
                "created": int(now.timestamp()),
                "source": source,
            }
        )
    lines = await asyncio.to_thread(counter.stripe.statement, now.date())
    assert len(lines) == 251


async def test_a_wrong_key_and_a_silent_provider_are_told_without_the_key(
    counter: Counter, clock: FakeClock
) -> None:
    for base in (f"{counter.sandbox.url}/stripe", "http://127.0.0.1:9"):
        stranger = Stripe(StripeAccount("sk_test_wrong", "whsec_1", base), clock)
        with pytest.raises(ProviderError) as caught:
            await asyncio.to_thread(stranger.create, counter.order())
        assert "sk_test" not in caught.value.message
