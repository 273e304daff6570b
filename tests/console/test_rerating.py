"""The operator's way to repay what was charged too much."""

from __future__ import annotations

import re

from tests.console.test_usage import prepared
from tests.support.browser import Browser
from whalefall.accounts.audit import list_actions
from whalefall.base.money import Currency
from whalefall.billing.ledger import balance
from whalefall.billing.verification import verify

DAYS = "first=2026-01-01&last=2026-01-31"


async def test_a_dry_run_is_looked_at_and_then_credited_as_it_was_seen(browser: Browser) -> None:
    user, _, _ = await prepared(browser)
    before = browser.database.run(balance, user.id, Currency.CNY, browser.clock.now())
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    html = await browser.open(f"/operator/rerating?{DAYS}&hit_percent=50")
    assert "3 requests of 1 users" in html
    now = browser.clock.now()
    assert browser.database.run(balance, user.id, Currency.CNY, now) == before
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', html)
    assert digest is not None
    fields = {"first": "2026-01-01", "last": "2026-01-31", "hit_percent": "50"}
    path = f"/operator/rerating?{DAYS}&hit_percent=50"
    await browser.submit(path, **fields, digest="0" * 64, reason="x")
    assert "figures have changed" in browser.html
    assert "3 requests of 1 users" in browser.html
    await browser.submit(path, **fields, digest=digest.group(1), reason="the cache was miscounted")
    assert "3 requests were corrected" in browser.html
    assert "Nothing to credit" in browser.html
    after = browser.database.run(balance, user.id, Currency.CNY, browser.clock.now())
    assert after.granted_nanos > before.granted_nanos
    assert after.topped_up_nanos == before.topped_up_nanos
    assert browser.database.run_read(verify).is_consistent
    (entry,) = [each for each in browser.database.run(list_actions) if "rerated" in each.action]
    assert "3 requests" in entry.detail
    await browser.sign_in("ann@example.org")
    html = await browser.open("/transactions")
    assert "the cache was miscounted" in html
    assert "Corrections of past charges" in html
    assert "request 2" in html


async def test_the_same_as_json_calls(browser: Browser) -> None:
    await prepared(browser)
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    query = {"first": "2026-01-01", "last": "2026-01-31", "price": "v4-flash"}
    looked = await browser.client.get("/console/api/operator/rerating", params=query)
    dry_run = looked.json()["data"]["biz_data"]["dry_run"]
    assert (dry_run["num_requests"], dry_run["num_unpriced"]) == (3, 3)
    given: dict[str, str | int] = {
        "first": "2026-01-01",
        "last": "2026-01-31",
        "hit_percent": 80,
    }
    looked = await browser.client.get("/console/api/operator/rerating", params=given)
    dry_run = looked.json()["data"]["biz_data"]["dry_run"]
    applied = await browser.call("/operator/rerating", **given, digest=dry_run["digest"])
    assert applied["num_corrections"] == 3
    assert applied["credit_nanos"] == dry_run["credit_nanos"]


async def test_odd_questions_are_refused(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    for query in (
        "first=2026-01-02&last=2026-01-01",
        "first=2026-01-01",
        "first=x&last=y",
        f"{DAYS}&hit_percent=101",
        f"{DAYS}&price=nothing",
        f"{DAYS}&email=nobody@example.org",
    ):
        response = await browser.client.get(f"/operator/rerating?{query}")
        assert response.status_code == 400, query
