"""The usage page and its export, against the ledger."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import timedelta
from decimal import Decimal

import httpx

from tests.support.bank import Bank
from tests.support.browser import Browser
from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.users import User
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.billing.ledger import HoldRequest, balance, hold
from whalefall.billing.price_versions import register_prices
from whalefall.billing.pricing import Price, TokenCounts
from whalefall.billing.usage import Usage, charge

PRICE = Price(
    "v3.2/deepseek-chat/CNY", "deepseek-chat", Currency.CNY, 200_000, 2_000_000, 3_000_000
)


def use(browser: Browser, user: User, api_key_id: str, request_id: str, counts: TokenCounts) -> int:
    """Charge one request; what it cost in nanos."""
    now = browser.clock.now()
    request = HoldRequest(
        request_id, user.id, Currency.CNY, 10**9, 1, "test", now, now + timedelta(minutes=10)
    )
    browser.database.run(hold, request)
    usage = Usage(request_id, user.id, api_key_id, "deepseek-chat", PRICE, counts, now)
    return browser.database.run(charge, usage, now).cost_nanos


async def prepared(browser: Browser, key_name: str = "laptop") -> tuple[User, str, int]:
    """A signed-in user with a grant and a top-up, a key, and requests on three days."""
    user = browser.make_user("ann@example.org")
    bank = Bank(browser.database, browser.clock)
    browser.database.run(register_prices, [PRICE])
    bank.top_up(user, 50 * NANOS_PER_UNIT)
    bank.grant(user, 6_000_000)
    key, _ = browser.database.run(
        create_api_key, user_id=user.id, name=key_name, now=browser.clock.now()
    )
    cost = 0
    for index in range(3):
        counts = TokenCounts(64 * index, 1000 + index, 333)
        cost += use(browser, user, key.id, f"request {index}", counts)
        browser.clock.advance(24 * 3600)
    await browser.sign_in("ann@example.org")
    return user, key.id, cost


def tables(response: httpx.Response) -> dict[str, list[dict[str, str]]]:
    found = {}
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert content.startswith(b"\xef\xbb\xbf")
            assert content.count(b"\n") == content.count(b"\r\n")
            text = content.decode("utf-8-sig")
            found[name] = list(csv.DictReader(io.StringIO(text, newline="")))
    return found


async def test_the_export_has_the_documented_files_and_equals_the_ledger(browser: Browser) -> None:
    user, _, cost = await prepared(browser)
    response = await browser.client.get("/usage/export?month=2026-01")
    assert 'filename="usage_data_2026_1.zip"' in response.headers["content-disposition"]
    found = tables(response)
    assert set(found) == {"amount-2026-1.csv", "cost-2026-1.csv"}
    amounts, costs = found["amount-2026-1.csv"], found["cost-2026-1.csv"]
    assert list(amounts[0]) == [
        "user_id", "utc_date", "model", "api_key_name", "api_key", "type", "price", "amount",
    ]  # fmt: skip
    assert list(costs[0]) == ["user_id", "utc_date", "model", "wallet_type", "cost", "currency"]
    exported = sum(Decimal(line["cost"]) for line in costs) * NANOS_PER_UNIT
    now = browser.clock.now()
    left = browser.database.run(balance, user.id, Currency.CNY, now).total_nanos
    assert exported == cost == 50 * NANOS_PER_UNIT + 6_000_000 - left
    assert {line["wallet_type"] for line in costs} == {"Paid", "Granted"}
    rated = sum(Decimal(line["price"] or 0) * Decimal(line["amount"]) for line in amounts)
    assert rated * NANOS_PER_UNIT == cost
    first = [line for line in amounts if line["utc_date"] == "20260115"]
    assert [(line["type"], line["price"], line["amount"]) for line in first] == [
        ("request_count", "", "1"),
        ("output_tokens", "0.000003", "333"),
        ("input_cache_hit_tokens", "0.0000002", "0"),
        ("input_cache_miss_tokens", "0.000002", "1000"),
    ]
    assert "****" in first[0]["api_key"]


async def test_a_key_name_cannot_become_a_formula(browser: Browser) -> None:
    await prepared(browser, key_name='=HYPERLINK("http://evil.example")')
    found = tables(await browser.client.get("/usage/export?month=2026-01"))
    names = {line["api_key_name"] for line in found["amount-2026-1.csv"]}
    assert names == {'\'=HYPERLINK("http://evil.example")'}


async def test_the_page_shows_the_months_figures(browser: Browser) -> None:
    _, key_id, cost = await prepared(browser)
    data = (await browser.client.get("/console/api/usage")).json()["data"]["biz_data"]
    assert data["month"] == "2026-01"
    assert sum(data["expenses"][0]["series"][0]["values"]) == cost
    (model,) = data["models"]
    assert (model["num_requests"], model["hit_tokens"], model["miss_tokens"]) == (3, 192, 3003)
    html = await browser.open("/usage")
    assert "6.0%" in html
    assert "<svg" in html
    filtered = (await browser.client.get("/console/api/usage?api_key_id=key_other")).json()
    assert filtered["data"]["biz_data"]["models"] == []
    assert "deepseek-chat" in await browser.open(f"/usage?month=2026-01&api_key_id={key_id}")
    assert "No requests in this month" in await browser.open("/usage?month=2025-12")


async def test_an_odd_month_is_refused(browser: Browser) -> None:
    await prepared(browser)
    for month in ("2026-13", "26-1", "2026", "x", "2026-1", "0000-01", "9999-12", "1999-12"):
        response = await browser.client.get(f"/usage/export?month={month}")
        assert response.status_code == 400, month


async def test_nobody_sees_anothers_usage(browser: Browser) -> None:
    _, key_id, _ = await prepared(browser)
    browser.make_user("ben@example.org")
    await browser.sign_in("ben@example.org")
    found = tables(await browser.client.get("/usage/export?month=2026-01"))
    assert found["cost-2026-1.csv"] == []
    path = f"/console/api/usage?month=2026-01&api_key_id={key_id}"
    assert (await browser.client.get(path)).json()["data"]["biz_data"]["models"] == []
