"""API keys as their owner sees them, and as nobody else may."""

from __future__ import annotations

import re

from tests.support.browser import Browser
from whalefall.accounts.api_keys import authenticate, create_api_key, list_api_keys
from whalefall.accounts.audit import list_actions
from whalefall.accounts.key_rules import KeyRules


async def test_a_secret_is_shown_once_and_opens_the_api_until_it_is_revoked(
    browser: Browser,
) -> None:
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/api_keys")
    assert "No API keys yet" in browser.html
    await browser.submit("/api_keys", name="laptop")
    found = re.search(r"sk-[0-9a-f]{32}", browser.html)
    assert found is not None
    secret = found.group()
    caller = browser.database.run(authenticate, secret, browser.clock.now())
    assert caller is not None
    assert caller.user_id == user.id
    assert secret not in await browser.open("/api_keys")
    await browser.submit("/api_keys/revoke", api_key_id=caller.api_key_id)
    assert "API key revoked" in browser.html
    assert browser.database.run(authenticate, secret, browser.clock.now()) is None


async def test_an_expiry_date_covers_its_whole_day_in_utc(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    today = browser.clock.now().date().isoformat()
    made = await browser.call("/api_keys", name="for today", expires_on=today)
    assert browser.database.run(authenticate, made["secret"], browser.clock.now()) is not None
    browser.clock.advance(13 * 3600)
    assert browser.database.run(authenticate, made["secret"], browser.clock.now()) is None
    await browser.open("/api_keys")
    await browser.submit("/api_keys", name="too late", expires_on=today)
    assert "has passed already" in browser.html


async def test_odd_names_are_refused_and_harmless_ones_are_escaped(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/api_keys")
    for name in ("", "   ", "a\nb", "x" * 65, "\x1b[31m"):
        await browser.submit("/api_keys", name=name)
        assert browser.status == 400
        assert "1 to 64 printable characters" in browser.html
    await browser.submit("/api_keys", name="<script>alert(1)</script>")
    assert "<script>alert" not in browser.html
    assert "&lt;script&gt;alert(1)" in browser.html


async def test_nobody_revokes_anothers_key(browser: Browser) -> None:
    ann = browser.make_user("ann@example.org")
    browser.make_user("ben@example.org")
    key, secret = browser.database.run(
        create_api_key, user_id=ann.id, name="hers", now=browser.clock.now()
    )
    await browser.sign_in("ben@example.org")
    await browser.open("/api_keys")
    await browser.submit("/api_keys/revoke", api_key_id=key.id)
    assert browser.status == 404
    assert browser.database.run(authenticate, secret, browser.clock.now()) is not None


async def test_no_secret_reaches_pages_audit_log_or_database(browser: Browser) -> None:
    """No more of a key than its display stub is kept anywhere."""
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    secret = (await browser.call("/api_keys", name="laptop"))["secret"]
    middle = secret[8:30]
    entries = browser.database.run(list_actions)
    keys = browser.database.run(list_api_keys, user.id)
    assert all(middle not in str(entry) for entry in entries)
    assert all(middle not in str(key) for key in keys)
    for path in ("/usage", "/api_keys", "/profile"):
        assert middle not in await browser.open(path)


async def test_a_key_can_carry_limits_of_its_own(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/api_keys")
    await browser.submit("/api_keys", name="slow", requests_per_minute=60, concurrency="")
    assert "60 requests/min" in browser.html
    (key,) = browser.database.run(list_api_keys, user.id)
    assert (key.limits.requests_per_minute, key.limits.concurrency) == (60, None)
    for odd in ("0", "-1", "1.5", "x", "1e10"):
        await browser.submit("/api_keys", name="odd", tokens_per_minute=odd)
        assert browser.status == 400, odd


async def test_a_key_can_be_narrowed_to_models_places_and_a_budget(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/api_keys")
    await browser.submit(
        "/api_keys",
        name="narrow",
        models="deepseek-chat",
        networks="10.0.0.0/8, 203.0.113.7",
        monthly_budget="12.5",
    )
    assert "only deepseek-chat" in browser.html
    assert "only from 10.0.0.0/8, 203.0.113.7" in browser.html
    assert "¥0.00 of ¥12.50 spent this month" in browser.html
    (key,) = browser.database.run(list_api_keys, user.id)
    assert key.rules == KeyRules(("deepseek-chat",), ("10.0.0.0/8", "203.0.113.7"), 12_500_000_000)
    odd = {"models": "x" * 101, "networks": "example.org", "monthly_budget": "0"}
    for field, value in odd.items():
        await browser.submit("/api_keys", name="odd", **{field: value})
        assert browser.status == 400, field
    for value in ("NaN", "1e400", "-1", "0.0000000001", "x"):
        await browser.submit("/api_keys", name="odd", monthly_budget=value)
        assert "greater than zero" in browser.html, value
    assert len(browser.database.run(list_api_keys, user.id)) == 1
