"""The operator's ledger and reconciliation pages: looked things up, told of differences."""

from __future__ import annotations

import re
from urllib.parse import quote

from tests.support.bank import Bank
from tests.support.browser import Browser
from whalefall.accounts.audit import list_actions
from whalefall.accounts.users import User
from whalefall.base.money import Currency
from whalefall.billing.top_ups import Deposit, record_top_up

NANOS = 1_000_000_000
ODD = '<script>alert("x")</script>'


async def as_operator(browser: Browser) -> User:
    admin = browser.make_admin("root@example.org")
    browser.enter(admin)
    await browser.open("/operator/ledger")
    return admin


def customer(browser: Browser) -> tuple[Bank, User]:
    bank = Bank(browser.database, browser.clock)
    user = browser.make_user("ann@example.org")
    bank.top_up(user, 10 * NANOS, "payment 1")
    return bank, user


async def test_accounts_and_movements_are_found_by_whatever_one_knows(browser: Browser) -> None:
    bank, user = customer(browser)
    held = bank.hold(user, 3 * NANOS, hold_id="request-77")
    bank.charge(held, bank.api_key(user), NANOS)
    await as_operator(browser)
    html = await browser.open("/operator/ledger?text=ann@example")
    assert f"la_paid_CNY_{user.id}" in html
    assert "¥9.00" in html
    html = await browser.open(f"/operator/ledger/accounts/la_paid_CNY_{user.id}")
    assert "¥10.00" in html
    assert "la_cash_clearing_CNY_system" in html
    for known in ("request-77", bank.top_up(user, NANOS, "payment 2").transfer_id):
        assert "Movements" in await browser.open(f"/operator/ledger?text={known}")
    assert "Movements" not in await browser.open("/operator/ledger?text=request-7")
    html = await browser.open("/operator/ledger?text=request-77")
    names = re.findall(r"/operator/ledger/transfers/([a-z_0-9]+)", html)
    assert len(names) >= 2, "reserved and posted"
    page = await browser.open(f"/operator/ledger/transfers/{names[0]}")
    assert ("Resolves" in page) != ("Resolved by" in page)
    assert "Of the same request" in page
    await browser.open("/operator/ledger/transfers/tr_none")
    assert browser.status == 404
    await browser.open("/operator/ledger/accounts/la_none")
    assert browser.status == 404


async def test_movements_come_a_page_at_a_time_and_each_once(browser: Browser) -> None:
    bank, user = customer(browser)
    for number in range(59):
        bank.top_up(user, NANOS, f"more {number}")
    await as_operator(browser)
    path = f"/console/api/operator/ledger/accounts/la_paid_CNY_{user.id}"
    first = (await browser.client.get(path)).json()["data"]["biz_data"]
    assert len(first["transfers"]) == 50
    query = {"before": first["next_before"], "before_id": first["next_before_id"]}
    second = (await browser.client.get(path, params=query)).json()["data"]["biz_data"]
    seen = [each["id"] for each in (*first["transfers"], *second["transfers"])]
    assert (len(seen), len(set(seen)), second["next_before"]) == (60, 60, None)


async def test_wildcards_are_text_and_reasons_are_escaped(browser: Browser) -> None:
    bank, user = customer(browser)
    now = bank.now
    deposit = Deposit(user.id, Currency.CNY, NANOS, "odd", ODD, now)
    made = browser.database.run(record_top_up, deposit)
    await as_operator(browser)
    assert "No such account" in await browser.open("/operator/ledger?text=%25")
    assert "No such account" in await browser.open("/operator/ledger?text=a__@example.org")
    html = await browser.open(f"/operator/ledger/transfers/{made.transfer_id}")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    html = await browser.open(f"/operator/ledger?text={quote(ODD)}")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


async def test_an_operator_reconciles_and_reads_what_differs(browser: Browser) -> None:
    customer(browser)
    admin = await as_operator(browser)
    assert "Nothing has been reconciled for two days" in await browser.open(
        "/operator/reconciliation"
    )
    await browser.submit("/operator/reconciliation")
    assert "All books have been compared" in browser.html
    assert "no differences" in browser.html
    assert "do not agree" not in await browser.open("/operator/overview")
    altered = "UPDATE ledger_accounts SET credits_posted = credits_posted + 1 WHERE kind = 'paid'"
    browser.database.run(lambda conn: conn.exec_driver_sql(altered))
    browser.clock.advance(60)
    await browser.open("/operator/reconciliation")
    await browser.submit("/operator/reconciliation")
    found = re.search(r"/operator/reconciliation/(reconciliation_\w+)", browser.html)
    assert found is not None
    html = await browser.open(f"/operator/reconciliation/{found.group(1)}")
    assert "account replay" in html
    assert "credits_posted" in html
    assert "do not agree" in await browser.open("/operator/overview")
    actions = [entry.action for entry in browser.database.run(list_actions)]
    assert actions.count("books.reconciled") == 2
    assert browser.mails(admin.email) == [], "whoever asks looks at it"
    called = await browser.call("/operator/reconciliation")
    assert called["num_differences"] == 2
