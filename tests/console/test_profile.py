"""The person's own page: logins elsewhere, the second factor, and the end of an account."""

from __future__ import annotations

import httpx
import pyotp
import pytest

from tests.support.bank import Bank
from tests.support.browser import PASSWORD, Browser
from whalefall.accounts.api_keys import authenticate
from whalefall.accounts.second_factor import authenticator_url
from whalefall.accounts.users import find_user, get_user
from whalefall.base.money import Currency
from whalefall.billing.ledger import balance
from whalefall.billing.verification import verify
from whalefall.console.qr_codes import qr_code


async def sign_in_program(client: httpx.AsyncClient, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    answer = (await client.post("/console/api/sign_in", json=body)).json()
    client.headers["authorization"] = f"Bearer {answer['data']['biz_data']['token']}"


async def test_another_login_can_be_ended_and_only_ones_own(
    browser: Browser, console_url: str
) -> None:
    browser.make_user("ann@example.org")
    browser.make_user("ben@example.org")
    await browser.sign_in("ann@example.org")
    async with (
        httpx.AsyncClient(base_url=console_url, timeout=60) as phone,
        httpx.AsyncClient(base_url=console_url, timeout=60) as ben,
    ):
        await sign_in_program(phone, "ann@example.org")
        await sign_in_program(ben, "ben@example.org")
        page = (await phone.get("/console/api/profile")).json()["data"]["biz_data"]
        body = {"login_id": page["current_login_id"]}
        refused = await ben.post("/console/api/profile/logins/revoke", json=body)
        assert refused.status_code == 404
        await browser.open("/profile")
        await browser.submit("/profile/logins/revoke", login_id=page["current_login_id"])
        assert "That login has been signed out" in browser.html
        assert (await phone.get("/console/api/profile")).status_code == 401
    assert "Monthly usage" in await browser.open("/usage")


async def test_deleting_an_account_ends_everything_and_frees_the_address(browser: Browser) -> None:
    bank = Bank(browser.database, browser.clock)
    user = await browser.sign_up("ann@example.org")
    bank.top_up(user, 7_000_000_000)
    bank.grant(user, 2_000_000_000)
    secret = (await browser.call("/api_keys", name="laptop"))["secret"]
    await browser.open("/profile/delete")
    assert "¥9.00" in browser.html
    await browser.submit("/profile/delete", email="ann@example.org", password="not it, surely")
    assert "not right" in browser.html
    await browser.submit("/profile/delete", email="someone@else.org", password=PASSWORD)
    assert browser.database.run(authenticate, secret, browser.clock.now()) is not None
    await browser.submit("/profile/delete", email="ann@example.org", password=PASSWORD)
    assert "has been deleted" in browser.html
    assert browser.database.run(authenticate, secret, browser.clock.now()) is None
    assert browser.database.run(find_user, "ann@example.org") is None
    gone = browser.database.run(get_user, user.id)
    assert "ann" not in gone.email
    now = browser.clock.now()
    assert browser.database.run(balance, user.id, Currency.CNY, now).total_nanos == 0
    assert browser.database.run(verify).is_consistent
    assert "not right" in await browser.sign_in("ann@example.org")
    again = await browser.sign_up("ann@example.org")
    assert again.id != user.id
    assert browser.database.run(balance, again.id, Currency.CNY, now).total_nanos == 0


async def test_an_account_with_a_running_request_is_not_deleted(browser: Browser) -> None:
    bank = Bank(browser.database, browser.clock)
    user = await browser.sign_up("ann@example.org")
    bank.top_up(user, 7_000_000_000)
    bank.hold(user, 1_000_000)
    await browser.open("/profile/delete")
    await browser.submit("/profile/delete", email="ann@example.org", password=PASSWORD)
    assert "still running" in browser.html
    assert browser.database.run(find_user, "ann@example.org") == user


async def test_two_step_sign_in_asks_for_a_code_and_takes_each_once(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    settings = (await browser.client.get("/console/api/profile/second_factor")).json()
    secret = settings["data"]["biz_data"]["secret"]
    totp = pyotp.TOTP(secret)
    html = await browser.open("/profile/second_factor")
    assert str(qr_code(authenticator_url(secret, "ann@example.org"))) in html
    await browser.submit("/profile/second_factor", code="000000")
    assert "not right" in browser.html
    code = totp.at(browser.clock.now())
    on = await browser.call("/profile/second_factor", code=code)
    assert len(on["codes"]) == 10
    await browser.open("/usage")
    await browser.submit("/sign_out")
    await browser.sign_in("ann@example.org")
    assert "authenticator shows" in browser.html
    for path in ("/usage", "/api_keys", "/profile/second_factor"):
        assert "authenticator shows" in await browser.open(path)
    assert (await browser.client.get("/console/api/usage")).status_code == 401
    await browser.submit("/second_factor", code=code)
    assert "used already" in browser.html
    browser.clock.advance(31)
    await browser.submit("/second_factor", code=totp.at(browser.clock.now()))
    assert "Monthly usage" in browser.html
    await browser.submit("/sign_out")
    await browser.sign_in("ann@example.org")
    await browser.submit("/second_factor", code=on["codes"][0].upper())
    assert "Monthly usage" in browser.html
    await browser.submit("/sign_out")
    await browser.sign_in("ann@example.org")
    await browser.submit("/second_factor", code=on["codes"][0])
    assert "used already" in browser.html


@pytest.mark.parametrize("threshold", ["NaN", "1e400", "-1", "abc", "0.0000000001"])
async def test_odd_alert_amounts_are_refused(browser: Browser, threshold: str) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/profile")
    await browser.submit("/profile/alert", threshold=threshold)
    assert browser.status == 400
    await browser.submit("/profile/alert", threshold="12.50")
    assert "Saved" in browser.html
    assert 'value="12.5"' in browser.html
