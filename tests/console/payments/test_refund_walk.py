"""From the balance back to the payment, at each of the sandbox's providers, over real HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.support.fake_clock import FakeClock
from tests.support.payment_stage import Stage, payment_stage
from whalefall.base.money import Currency
from whalefall.billing.checkouts import find_checkout
from whalefall.billing.payments.out_trade_numbers import out_trade_no
from whalefall.billing.refunds import Refund, RefundState, get_refund, list_refunds
from whalefall.billing.top_ups import TopUpSource
from whalefall.console.context import ConsoleContext
from whalefall.console.language import load_catalogs
from whalefall.console.refund_sender import RefundSender
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.server import SandboxKeys

UNIT = 1_000_000_000
SOURCES = [TopUpSource.STRIPE, TopUpSource.ALIPAY, TopUpSource.WECHATPAY]


async def paid(stage: Stage, source: TopUpSource) -> str:
    """An order of 50 that was paid at its provider; told by the next question, not by a notice."""
    order = await stage.order(source.value, "50")
    found = stage.bank.database.run(find_checkout, order)
    assert found is not None, stage.page
    match source:
        case TopUpSource.STRIPE:
            stage.sandbox.stripe.books.pay(stage.session(order)["id"], stage.bank.now)
        case TopUpSource.ALIPAY:
            async with httpx.AsyncClient(timeout=60, follow_redirects=True) as client:
                await client.get(found.checkout.url)
            stage.sandbox.alipay.books.pay(out_trade_no(order), stage.bank.now)
        case _:
            stage.sandbox.wechatpay.books.pay(out_trade_no(order), stage.bank.now)
    stage.bank.clock.advance(21)
    await stage.chores.round()
    assert stage.topped_up() == 50 * UNIT
    return order


def sender_of(stage: Stage) -> RefundSender:
    database, clock = stage.bank.database, stage.bank.clock
    return RefundSender(database, clock, stage.cashier.providers, load_catalogs())


def set_course(stage: Stage, course: RefundCourse) -> None:
    for each in (stage.sandbox.stripe, stage.sandbox.alipay, stage.sandbox.wechatpay):
        each.books.refund_course = course


def refunded_minor_units(stage: Stage, source: TopUpSource, order: str) -> int:
    """By the provider's own books."""
    match source:
        case TopUpSource.STRIPE:
            intent = stage.top_up(order).provider_reference
            made = stage.sandbox.stripe.books.refunds.values()
            return sum(
                each["amount"]
                for each in made
                if each["payment_intent"] == intent and each["status"] == "succeeded"
            )
        case TopUpSource.ALIPAY:
            return stage.sandbox.alipay.books.trades[out_trade_no(order)].refunded_fen
        case _:
            refunds = stage.sandbox.wechatpay.books.orders[out_trade_no(order)].refunds
            return sum(each.fen for each in refunds.values() if each.status == "SUCCESS")


async def asked(stage: Stage, amount: str) -> Refund:
    await stage.browser.open("/refunds")
    await stage.browser.submit(
        "/refunds", amount=amount, currency=stage.user.currency, idempotency_key=f"{amount:0>12}"
    )
    assert "Your refund is on its way" in stage.page
    return stage.bank.database.run(list_refunds)[0]


async def rounds(stage: Stage, refund: Refund, num_rounds: int = 4) -> RefundState:
    """Talk about it until it has ended, or the rounds are over."""
    for _ in range(num_rounds):
        await sender_of(stage).round()
        await stage.sandbox.courier.settled()
        if not stage.bank.database.run(get_refund, refund.id).is_open:
            break
        stage.bank.clock.advance(600)
    # What ended by a notice is written about in the next round.
    await sender_of(stage).round()
    return stage.bank.database.run(get_refund, refund.id).state


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> TopUpSource:
    found: TopUpSource = request.param
    return found


@pytest.mark.parametrize("course", [RefundCourse.AT_ONCE, RefundCourse.LATE])
async def test_money_goes_back_in_two_parts(
    context: ConsoleContext,
    clock: FakeClock,
    sandbox_keys: SandboxKeys,
    source: TopUpSource,
    course: RefundCourse,
) -> None:
    currency = Currency.USD if source is TopUpSource.STRIPE else Currency.CNY
    async with payment_stage(context, clock, sandbox_keys, currency) as stage:
        order = await paid(stage, source)
        set_course(stage, course)
        for amount, left in (("20.01", 29_990_000_000), ("29.99", 0)):
            refund = await asked(stage, amount)
            assert stage.topped_up() == left
            assert await rounds(stage, refund) is RefundState.DONE
        assert refunded_minor_units(stage, source, order) == 5000
        assert "Nothing can be refunded now" in await stage.browser.open("/refunds")
        subjects = [mail.subject for mail in stage.browser.mails(stage.user.email)]
        assert subjects.count("Your Whalefall refund is done") == 2
        assert stage.bank.verify().differences == ()


@pytest.mark.parametrize("course", [RefundCourse.REFUSED, RefundCourse.FAILS_LATE])
async def test_a_refund_that_fails_is_in_the_balance_again(
    context: ConsoleContext,
    clock: FakeClock,
    sandbox_keys: SandboxKeys,
    source: TopUpSource,
    course: RefundCourse,
) -> None:
    currency = Currency.USD if source is TopUpSource.STRIPE else Currency.CNY
    async with payment_stage(context, clock, sandbox_keys, currency) as stage:
        order = await paid(stage, source)
        set_course(stage, course)
        refund = await asked(stage, "20")
        assert await rounds(stage, refund) is RefundState.FAILED
        assert stage.topped_up() == 50 * UNIT
        assert refunded_minor_units(stage, source, order) == 0
        assert "failed, in the balance again" in await stage.browser.open("/refunds")
        assert stage.bank.verify().differences == ()


async def test_a_merchant_without_funds_waits_and_then_pays(
    context: ConsoleContext, clock: FakeClock, sandbox_keys: SandboxKeys, source: TopUpSource
) -> None:
    currency = Currency.USD if source is TopUpSource.STRIPE else Currency.CNY
    async with payment_stage(context, clock, sandbox_keys, currency) as stage:
        order = await paid(stage, source)
        set_course(stage, RefundCourse.NO_FUNDS)
        refund = await asked(stage, "50")
        assert await rounds(stage, refund, 2) is RefundState.SENT
        assert stage.bank.database.run(get_refund, refund.id).problem
        set_course(stage, RefundCourse.AT_ONCE)
        assert await rounds(stage, refund) is RefundState.DONE
        assert refunded_minor_units(stage, source, order) == 5000
        assert stage.bank.verify().differences == ()
