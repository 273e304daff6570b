"""Asking for money back in the browser, and the operator's side of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.counterpart import Counterpart, Mood, paid_online
from tests.support.fake_clock import FakeClock
from tests.support.listening import listening
from whalefall.accounts.audit import list_actions
from whalefall.accounts.tickets import TicketKind, list_tickets, ticket_messages_of
from whalefall.accounts.users import get_user
from whalefall.base.db import Database
from whalefall.billing.chargebacks import ChargebackKind, Reversal, charge_back
from whalefall.billing.refunds import RefundRequest, RefundState, ask_refund, list_refunds
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext
from whalefall.console.language import Language, load_catalogs
from whalefall.console.refund_sender import RefundSender

FEN = 10_000_000
YUAN = 100 * FEN


@pytest.fixture
def provider() -> Counterpart:
    return Counterpart()


@pytest.fixture
def bank(database: Database, clock: FakeClock) -> Bank:
    return Bank(database, clock)


@pytest.fixture
async def browser(
    context: ConsoleContext, database: Database, clock: FakeClock, provider: Counterpart
) -> AsyncIterator[Browser]:
    with_provider = replace(context, payment_providers={provider.source: provider})
    async with (
        listening(Starlette(routes=console_routes(with_provider))) as url,
        httpx.AsyncClient(base_url=url, headers={"accept-language": "en"}, timeout=60) as client,
    ):
        yield Browser(client, database, clock)


@pytest.fixture
def sender(bank: Bank, provider: Counterpart) -> RefundSender:
    return RefundSender(bank.database, bank.clock, {provider.source: provider}, load_catalogs())


def key_on(html: str, end: str) -> str:
    found = re.search(rf'name="idempotency_key" value="([0-9a-f]{{32}}-{end})"', html)
    assert found is not None
    return found.group(1)


async def test_online_money_is_asked_back_and_returned(
    browser: Browser, bank: Bank, sender: RefundSender
) -> None:
    user = browser.make_user("ann@example.org")
    bank.grant(user, 3 * YUAN)
    paid_online(bank, user, 50 * YUAN)
    await browser.sign_in("ann@example.org")
    html = await browser.open("/refunds")
    assert "at most ¥50.00" in html
    assert "Card" in html
    fields = {"amount": "20.00", "currency": "CNY", "idempotency_key": key_on(html, "CNY")}
    await browser.submit("/refunds", **fields)
    assert "Your refund is on its way" in browser.html
    assert "asked for" in browser.html
    await browser.submit("/refunds", **fields)
    assert len(bank.database.run(list_refunds)) == 1
    assert await sender.round() == 1
    html = await browser.open("/refunds")
    assert "returned" in html
    assert "at most ¥30.00" in html
    assert browser.mails("ann@example.org")[0].subject == "Your Whalefall refund is done"
    assert "refund.asked" in [entry.action for entry in bank.database.run(list_actions)]
    assert bank.verify().differences == ()


@pytest.mark.parametrize(
    "amount", ["50.01", "0", "-1", "NaN", "Infinity", "1e308", "9223372036.854775808", "0.001", "x"]
)
async def test_odd_or_too_large_amounts_move_nothing(
    browser: Browser, bank: Bank, amount: str
) -> None:
    user = browser.make_user("ann@example.org")
    bank.grant(user, 300 * YUAN)
    paid_online(bank, user, 50 * YUAN)
    await browser.sign_in("ann@example.org")
    await browser.open("/refunds")
    await browser.submit("/refunds", amount=amount, currency="CNY", idempotency_key="k" * 16)
    assert browser.status == 400
    assert bank.database.run(list_refunds) == []
    assert bank.balance(user).topped_up_nanos == 50 * YUAN


async def test_a_bank_transfer_is_asked_back_in_a_ticket_and_returned_by_hand(
    browser: Browser, bank: Bank
) -> None:
    user = browser.make_user("ann@example.org")
    bank.top_up(user, 80 * YUAN)
    await browser.sign_in("ann@example.org")
    html = await browser.open("/refunds")
    fields = {
        "amount": "80",
        "idempotency_key": key_on(html, "CNY-ticket"),
        "text": "to account 42",
    }
    await browser.submit("/refunds/ticket", **fields)
    assert "a ticket is open for it" in browser.html
    await browser.submit("/refunds/ticket", **fields)
    (ticket,) = bank.database.run(list_tickets, user_id=user.id)
    assert (ticket.kind, ticket.subject) == (TicketKind.REFUND, "Refund of ¥80.00")
    (message,) = bank.database.run(ticket_messages_of, ticket.id)
    assert "to account 42" in message.text
    assert "topup_" in message.text
    (refund,) = bank.database.run(list_refunds)
    assert (refund.ticket_id, bank.balance(user).topped_up_nanos) == (ticket.id, 0)
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    assert f"/operator/tickets/{ticket.id}" in await browser.open("/operator/refunds")
    path = f"/operator/refunds/{refund.id}/settle"
    await browser.submit(path, outcome="done", note="transfer 4711")
    assert "transfer 4711" in browser.html
    (done,) = bank.database.run(list_refunds)
    assert (done.state, done.provider_reference) == (RefundState.DONE, "transfer 4711")
    await browser.submit(path, outcome="failed", note="again")
    assert browser.status == 400
    assert "refund.settled" in [entry.action for entry in bank.database.run(list_actions)]
    assert bank.verify().differences == ()


async def test_the_operator_retries_and_gives_up(
    browser: Browser, bank: Bank, provider: Counterpart, sender: RefundSender
) -> None:
    user = browser.make_user("ann@example.org")
    paid_online(bank, user, 50 * YUAN)
    request = RefundRequest(user.id, bank.currency, 50 * YUAN, "key", bank.now)
    (refund,) = bank.database.run(ask_refund, request)
    provider.moods.extend([Mood.DOWN, Mood.DOWN])
    await sender.round()
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    assert "nobody answers" in await browser.open("/operator/refunds")
    await browser.submit(f"/operator/refunds/{refund.id}/settle", outcome="done", note="by hand")
    assert "made by its payment provider" in browser.html
    await browser.submit(f"/operator/refunds/{refund.id}/retry")
    assert await sender.round() == 0
    await browser.submit(f"/operator/refunds/{refund.id}/give_up")
    assert "failed, in the balance again" in browser.html
    assert bank.balance(user).topped_up_nanos == 50 * YUAN
    await browser.submit(f"/operator/refunds/{refund.id}/retry")
    assert await sender.round() == 1
    states = [each.state for each in bank.database.run(list_refunds)]
    assert sorted(states) == [RefundState.DONE, RefundState.FAILED]
    assert provider.paid_out_nanos == 50 * YUAN
    actions = [entry.action for entry in bank.database.run(list_actions)]
    assert actions.count("refund.retried") == 2
    assert actions.count("refund.given_up") == 1
    assert bank.verify().differences == ()


async def test_a_chargeback_is_seen_won_and_over(browser: Browser, bank: Bank) -> None:
    user = browser.make_user("ann@example.org")
    top_up = paid_online(bank, user, 50 * YUAN)
    kind = ChargebackKind.DISPUTE
    made = bank.database.run(
        charge_back, Reversal(top_up.id, kind, "dp", bank.currency, 50 * YUAN, bank.now)
    )
    assert bank.database.run(get_user, user.id).is_suspended
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    assert "¥50.00" in await browser.open("/operator/refunds")
    await browser.submit(f"/operator/chargebacks/{made.id}/won")
    assert bank.balance(user).topped_up_nanos == 50 * YUAN
    await browser.submit(f"/operator/chargebacks/{made.id}/lost")
    assert browser.status == 400
    assert bank.verify().differences == ()


async def test_refunds_of_others_are_neither_seen_nor_had(browser: Browser, bank: Bank) -> None:
    ann, bob = browser.make_user("ann@example.org"), browser.make_user("bob@example.org")
    top_up = paid_online(bank, ann, 50 * YUAN)
    request = RefundRequest(ann.id, bank.currency, 10 * YUAN, "key", bank.now)
    bank.database.run(ask_refund, request)
    await browser.sign_in("bob@example.org")
    assert top_up.id not in await browser.open("/refunds")
    headers = {"x-csrf-token": await browser.csrf()}
    wish = {"amount": "1", "idempotency_key": "k" * 16, "user_id": ann.id, "top_up_id": top_up.id}
    for path in ("/refunds", "/refunds/ticket"):
        answer = await browser.client.post(f"/console/api{path}", json=wish, headers=headers)
        assert answer.status_code == 400
    assert len(bank.database.run(list_refunds)) == 1
    assert bank.database.run(list_refunds, user_id=bob.id) == []


def test_refusals_are_told_in_chinese_too() -> None:
    chinese = load_catalogs()[Language.CHINESE]
    for text in (
        "Less than that can be refunded now. Please look at the figures again.",
        "A refund is a whole number of fen or cents.",
        "This refund is being sent at this moment. Please try again in some minutes.",
        "This refund has ended already.",
        "This has been settled already.",
    ):
        assert chinese.gettext(text) != text
