"""What somebody may send to the door for notices: nothing of it moves money but the truth, once."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.fake_clock import FakeClock
from tests.support.payment_stage import Stage
from whalefall.billing.payments.stripe import Stripe, StripeAccount
from whalefall.billing.provider_events import EventState, list_events
from whalefall.billing.top_ups import TopUpState
from whalefall.sandbox.stripe_books import JsonObject

TEN = 10_000_000_000


async def paid_session(stage: Stage) -> tuple[str, JsonObject]:
    """An order, and Stripe's session of it as if it had been paid."""
    order = await stage.order("stripe", "10")
    session = stage.session(order)
    return order, session | {"payment_status": "paid", "payment_intent": "pi_1"}


def refused(stage: Stage) -> list[str]:
    noted = stage.bank.database.run(list_events, EventState.REFUSED)
    return [each.problem for each in noted]


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_an_empty_secret_is_no_secret(secret: str, clock: FakeClock) -> None:
    for account in (("sk_test_1", secret), (secret, "whsec_1")):
        with pytest.raises(ValueError, match="empty"):
            Stripe(StripeAccount(*account), clock)


async def test_a_notice_told_fifty_times_credits_once(stage: Stage) -> None:
    order, session = await paid_session(stage)
    answers = await asyncio.gather(
        *(stage.tell("checkout.session.completed", session, id=f"evt_{n}") for n in range(50))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert stage.topped_up() == TEN
    assert stage.top_up(order).state is TopUpState.PAID
    assert stage.bank.verify().is_consistent


async def test_unsigned_foreign_stale_and_odd_notices_credit_nothing(stage: Stage) -> None:
    _, session = await paid_session(stage)
    event = {"id": "evt_1", "type": "checkout.session.completed", "livemode": False}
    body = json.dumps(event | {"data": {"object": session}}).encode()
    sandbox = stage.sandbox.stripe
    good = sandbox.notice(body).headers["stripe-signature"]
    stage.bank.clock.advance(-301)
    stale = sandbox.notice(body).headers["stripe-signature"]
    stage.bank.clock.advance(602)
    early = sandbox.notice(body).headers["stripe-signature"]
    stage.bank.clock.advance(-301)
    at = good.partition(",")[0]
    for signature in (
        None,
        "",
        at,
        f"{at},v1=",
        f"{at},v1=" + "0" * 64,
        good.replace("v1=", "v0="),
        good.partition(",")[2],
        good + "0",
        stale,
        early,
        at + ",v1=\N{LATIN SMALL LETTER E WITH ACUTE}",
    ):
        headers = {} if signature is None else {"stripe-signature": signature.encode()}
        answer = await stage.send(body, headers)  # type: ignore[arg-type]
        assert answer.status_code == 400, signature
    for odd in (b"", b"[]", b"{}", b"\xff\xfe", b"null", b'{"type": 1}'):
        notice = sandbox.notice(odd)
        assert (await stage.send(odd, notice.headers)).status_code == 400, odd
    changed = body.replace(b"1000", b"9000")
    assert changed != body
    assert (await stage.send(changed, {"stripe-signature": good})).status_code == 400
    live = await stage.tell("checkout.session.completed", session, livemode=True)
    assert live.status_code == 400
    huge = sandbox.notice(b" " * 65537)
    assert (await stage.send(huge.body, huge.headers)).status_code == 413
    assert stage.topped_up() == 0
    assert refused(stage) == []


async def test_what_does_not_fit_credits_nothing_and_is_shown(stage: Stage) -> None:
    order, session = await paid_session(stage)
    other = await stage.order("stripe", "20")
    for number, wrong in enumerate(
        (
            {"amount_total": 999},
            {"amount_total": 100_000},
            {"currency": "cny"},
            {"currency": "jpy"},
            {"client_reference_id": other},
            {"client_reference_id": "topup_none"},
            {"client_reference_id": None},
        )
    ):
        told = session | wrong | {"payment_intent": f"pi_wrong_{number}"}
        answer = await stage.tell("checkout.session.completed", told)
        # It was Stripe that told it, so telling it again would not help.
        assert answer.status_code == 200, wrong
    assert stage.topped_up() == 0
    assert len(refused(stage)) == 7
    await stage.tell("checkout.session.completed", session)
    await stage.tell("checkout.session.completed", session | {"client_reference_id": other})
    second = session | {"payment_intent": "pi_2"}
    await stage.tell("checkout.session.completed", second)
    assert stage.topped_up() == TEN
    assert stage.top_up(other).state is TopUpState.OPEN
    admin = stage.browser.make_admin("op@example.org")
    stage.browser.client.cookies.clear()
    await stage.browser.sign_in(admin.email)
    await stage.browser.open("/operator/payments")
    assert f"{order} was paid by" in stage.page.replace("&#39;", "'")
    await stage.browser.submit(
        "/operator/payments/settle", source="stripe", event_id="pi_wrong_0:paid"
    )
    assert "noted as looked after" in stage.page
    assert stage.bank.verify().is_consistent


async def test_what_is_told_before_its_payment_waits_for_it(stage: Stage) -> None:
    _, session = await paid_session(stage)
    dispute = {"id": "du_1", "payment_intent": "pi_1", "currency": "usd", "amount": 1000}
    refund = {
        "id": "re_1",
        "payment_intent": "pi_1",
        "currency": "usd",
        "amount": 300,
        "status": "succeeded",
        "metadata": {},
    }
    await stage.tell("refund.updated", refund)
    won = {**dispute, "amount": 700}
    await stage.tell("charge.dispute.funds_withdrawn", won)
    await stage.tell("charge.dispute.funds_withdrawn", won, id="evt_2")
    waiting = stage.bank.database.run(list_events, EventState.WAITING)
    assert len(waiting) == 2
    assert stage.topped_up() == 0
    await stage.tell("checkout.session.completed", session)
    assert stage.bank.database.run(list_events, EventState.WAITING) == []
    assert stage.topped_up() == 0
    await stage.tell("charge.dispute.funds_reinstated", won)
    assert stage.topped_up() == 7_000_000_000
    await stage.tell("charge.dispute.funds_withdrawn", dispute | {"id": "du_2"})
    assert stage.topped_up() == 7_000_000_000
    assert len(refused(stage)) == 1
    assert stage.bank.verify().is_consistent


async def test_a_late_payment_of_a_closed_order_is_credited(stage: Stage) -> None:
    order, session = await paid_session(stage)
    stage.bank.clock.advance(3601)
    await stage.chores.round()
    assert stage.top_up(order).state is TopUpState.EXPIRED
    await stage.tell("checkout.session.completed", session)
    assert stage.top_up(order).state is TopUpState.PAID
    assert stage.topped_up() == TEN
