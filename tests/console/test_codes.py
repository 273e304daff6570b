"""Codes from the operator's page to somebody's balance."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.listening import listening
from whalefall.accounts.audit import list_actions
from whalefall.base.db import Database
from whalefall.base.money import Currency
from whalefall.billing.grants import list_grants
from whalefall.billing.ledger import balance
from whalefall.billing.sign_up_grants import SignUpGrantRule
from whalefall.billing.verification import verify
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext
from whalefall.console.language import Language, load_catalogs
from whalefall.console.routing import API_PREFIX

CODE = re.compile(r"\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}\b")


async def made_codes(browser: Browser, **fields: object) -> list[str]:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    await browser.open("/operator/codes")
    wanted = {"amount": "5", "currency": "CNY", "num_codes": 2, "num_uses": 1, "reason": "spring"}
    await browser.submit("/operator/codes", **{**wanted, **fields})
    assert browser.status == 200
    area = browser.html.split("<textarea", 1)[1].split("</textarea>", 1)[0]
    return CODE.findall(area)


async def test_a_code_is_made_shown_once_redeemed_and_withdrawn(browser: Browser) -> None:
    codes = await made_codes(browser, days=30, last_day="2026-03-01")
    assert len(codes) == 2
    assert "data:text/csv" in browser.html
    html = await browser.open("/operator/codes")
    assert CODE.findall(html) == []
    assert "¥5.00" in html
    batch = re.search(r"batch_[0-9a-f]{32}", html)
    assert batch is not None
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/top_up")
    await browser.submit("/redeem", redemption_code=codes[0].lower())
    assert "The code is redeemed" in browser.html
    (given,) = browser.database.run(list_grants, user.id)
    assert given.expires_at == browser.clock.now() + timedelta(days=30)
    await browser.sign_in("root@example.org")
    await browser.open("/operator/codes")
    await browser.submit(f"/operator/codes/{batch.group()}/revoke")
    assert "withdrawn" in browser.html
    browser.make_user("bob@example.org")
    await browser.sign_in("bob@example.org")
    await browser.open("/top_up")
    await browser.submit("/redeem", redemption_code=codes[1])
    assert (browser.status, "cannot be redeemed" in browser.html) == (400, True)
    assert codes[1] not in browser.html
    actions = [entry.action for entry in browser.database.run(list_actions)]
    for action in ("codes.created", "codes.revoked", "code.redeemed"):
        assert action in actions
    assert not any(code in str(browser.database.run(list_actions)) for code in codes)
    assert browser.database.run_read(verify).is_consistent


async def test_guessing_is_throttled_and_tells_nothing(browser: Browser) -> None:
    codes = await made_codes(browser, num_codes=1)
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    answers = set()
    for number in range(10):
        typed = f"{number:05d}-00000-00000-00000"
        response = await browser.post("/redeem", redemption_code=typed)
        answers.add((response.status_code, "cannot be redeemed" in response.text))
    assert answers == {(400, True)}
    response = await browser.post("/redeem", redemption_code=codes[0])
    assert response.status_code == 429
    browser.clock.advance(3600)
    await browser.open("/top_up")
    await browser.submit("/redeem", redemption_code=codes[0])
    assert "The code is redeemed" in browser.html


async def test_100_browsers_and_one_code(browser: Browser, console_url: str) -> None:
    """Through the JSON calls of a hundred people's browsers, ten at a time: one is given."""
    (code,) = await made_codes(browser, num_codes=1)
    users = [browser.make_user(f"user{number}@example.org") for number in range(10)]
    statuses = []
    for user in users:
        async with httpx.AsyncClient(base_url=console_url, timeout=60) as client:
            other = Browser(client, browser.database, browser.clock)
            await other.sign_in(user.email)
            headers = {"x-csrf-token": await other.csrf()}
            answer = await client.post(
                f"{API_PREFIX}/redeem", json={"redemption_code": code}, headers=headers
            )
            statuses.append(answer.status_code)
    assert sorted(statuses) == [200] + [400] * 9
    now = browser.clock.now()
    wallets = [browser.database.run(balance, user.id, Currency.CNY, now) for user in users]
    assert sum(wallet.granted_nanos for wallet in wallets) == 5_000_000_000


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "0"},
        {"amount": "-5"},
        {"amount": "NaN"},
        {"amount": "1e308"},
        {"amount": "0.0000000001"},
        {"num_codes": 0},
        {"num_codes": 1001},
        {"num_uses": -1},
        {"days": 0},
        {"last_day": "2026-01-14"},
        {"last_day": "9999-12-31"},
        {"currency": "EUR"},
    ],
)
async def test_odd_batches_are_refused(browser: Browser, fields: dict[str, object]) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    await browser.open("/operator/codes")
    wanted = {"amount": "5", "currency": "CNY", "num_codes": 1, "num_uses": 1}
    await browser.submit("/operator/codes", **{**wanted, **fields})
    assert browser.status == 400
    assert "No codes yet" in browser.html


def test_refusals_are_told_in_chinese_too() -> None:
    chinese = load_catalogs()[Language.CHINESE]
    for text in (
        "This code cannot be redeemed: it is mistyped, used up, expired or withdrawn.",
        "Your account has already redeemed a code of this kind.",
        "This code is for accounts in the other currency.",
    ):
        assert chinese.gettext(text) != text


@pytest.fixture
async def generous(
    context: ConsoleContext, database: Database, clock: FakeClock
) -> AsyncIterator[Browser]:
    """A console whose new accounts are granted something."""
    rule = SignUpGrantRule({Currency.USD: 7}, timedelta(days=3), timedelta(days=9))
    routes = console_routes(replace(context, sign_up_grant=rule))
    async with (
        listening(Starlette(routes=routes)) as url,
        httpx.AsyncClient(base_url=url, headers={"accept-language": "en"}, timeout=60) as client,
    ):
        yield Browser(client, database, clock)


async def test_signing_up_is_granted_by_the_rule(generous: Browser) -> None:
    user = await generous.sign_up("ann@example.org", currency="USD")
    (given,) = generous.database.run(list_grants, user.id)
    assert (given.amount_nanos, given.currency, given.reason) == (7, Currency.USD, "welcome")
    generous.client.cookies.clear()
    other = await generous.sign_up("bob@example.org", currency="CNY")
    assert generous.database.run(list_grants, other.id) == []
