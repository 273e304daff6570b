"""From the form to the balance and back, at the sandbox's Stripe, over real HTTP."""

from __future__ import annotations

import pytest

from tests.support.payment_stage import Stage
from whalefall.billing.checkouts import find_checkout
from whalefall.billing.top_ups import TopUpState
from whalefall.console.cashier import NUM_OPEN_MAX

TWELVE_FIFTY = 12_500_000_000


async def test_an_order_is_paid_disputed_and_won(stage: Stage) -> None:
    order = await stage.order("stripe", "12.50")
    assert "waiting for payment" in stage.page
    assert 'http-equiv="refresh"' in stage.page
    assert "Sandbox" in stage.page
    link = stage.pay_link()
    back = await stage.press(link, "pay")
    assert back.headers["location"] == f"{stage.url}/top_up/orders/{order}"
    await stage.sandbox.courier.settled()
    await stage.browser.open(f"/top_up/orders/{order}")
    assert "The payment has arrived" in stage.page
    assert 'http-equiv="refresh"' not in stage.page
    assert stage.topped_up() == TWELVE_FIFTY
    assert stage.top_up(order).provider_reference == stage.session(order)["payment_intent"]
    await stage.press(link, "dispute")
    await stage.sandbox.courier.settled()
    assert stage.topped_up() == 0
    assert stage.top_up(order).charged_back_nanos == TWELVE_FIFTY
    await stage.press(link, "win")
    await stage.sandbox.courier.settled()
    assert stage.topped_up() == TWELVE_FIFTY
    assert stage.sandbox.courier.num_refused == 0
    assert stage.bank.verify().is_consistent


async def test_without_a_notice_the_provider_is_asked_ever_more_seldom(stage: Stage) -> None:
    order = await stage.order("stripe", "12.50")
    stage.bank.clock.advance(21)
    await stage.chores.round()
    kept = stage.bank.database.run(find_checkout, order)
    assert kept is not None
    assert kept.num_queries == 1
    assert kept.query_at is not None
    assert (kept.query_at - stage.bank.now).total_seconds() == 20
    # Paid, and nobody tells: as if every notice were lost.
    stage.sandbox.stripe.books.pay(stage.session(order)["id"], stage.bank.now)
    stage.bank.clock.advance(10)
    await stage.chores.round()
    assert stage.top_up(order).state is TopUpState.OPEN
    stage.bank.clock.advance(11)
    await stage.chores.round()
    assert stage.top_up(order).state is TopUpState.PAID
    assert stage.topped_up() == TWELVE_FIFTY


async def test_an_order_that_nobody_pays_is_closed_at_the_provider_too(stage: Stage) -> None:
    order = await stage.order("stripe", "12.50")
    stage.bank.clock.advance(3601)
    await stage.chores.round()
    assert stage.top_up(order).state is TopUpState.EXPIRED
    assert stage.session(order)["status"] == "expired"
    assert "not paid in time" in await stage.browser.open(f"/top_up/orders/{order}")


async def test_a_cancelled_order_cannot_be_paid(stage: Stage) -> None:
    order = await stage.order("stripe", "12.50")
    link = stage.pay_link()
    await stage.browser.submit(f"/top_up/orders/{order}/cancel")
    assert "was cancelled" in stage.page
    assert (await stage.press(link, "pay")).status_code == 400
    assert stage.topped_up() == 0


async def test_an_order_paid_at_the_last_moment_is_credited_not_cancelled(stage: Stage) -> None:
    order = await stage.order("stripe", "12.50")
    stage.sandbox.stripe.books.pay(stage.session(order)["id"], stage.bank.now)
    await stage.browser.submit(f"/top_up/orders/{order}/cancel")
    assert "The payment has arrived" in stage.page
    assert stage.topped_up() == TWELVE_FIFTY


@pytest.mark.parametrize("amount", ["0.99", "5000.01", "1.001", "-5", "NaN", "1e400", "x"])
async def test_odd_amounts_open_nothing(stage: Stage, amount: str) -> None:
    await stage.order("stripe", amount)
    assert stage.browser.status == 400
    assert stage.sandbox.stripe.books.sessions == {}


async def test_orders_are_for_the_verified_and_not_too_many(stage: Stage) -> None:
    for _ in range(NUM_OPEN_MAX):
        await stage.order("stripe", "5")
    await stage.order("stripe", "5")
    assert "unfinished orders" in stage.page
    assert len(stage.sandbox.stripe.books.sessions) == NUM_OPEN_MAX
    other = stage.browser.make_user("bob@example.org", stage.user.currency)
    stage.browser.client.cookies.clear()
    await stage.browser.sign_in(other.email)
    assert "Verify your identity" in await stage.browser.open("/top_up")
    answer = await stage.browser.post(
        "/top_up/orders", source="stripe", amount="5", idempotency_key="0123456789"
    )
    assert "verify your identity" in answer.text
    (some_order, *_) = (each["client_reference_id"] for each in _sessions(stage))
    assert (await stage.browser.client.get(f"/top_up/orders/{some_order}")).status_code == 404


def _sessions(stage: Stage) -> list[dict[str, object]]:
    return list(stage.sandbox.stripe.books.sessions.values())
