"""The operator's prices: looked at beside the old ones, announced ahead, withdrawn in time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.browser import Browser
from whalefall.accounts.audit import list_actions
from whalefall.billing.announced_prices import list_announced
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.price_book import PriceBook
from whalefall.console.context import ConsoleContext

PATH = "/operator/prices"
FIELDS = {
    "model": "deepseek-chat",
    "currency": "CNY",
    "hit": "0.1",
    "miss": "1.000001",
    "output": "2",
}


async def operator(browser: Browser) -> Browser:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    await browser.open(PATH)
    return browser


def ahead(browser: Browser, **kwargs: float) -> str:
    """As a browser's own field for a date and a time says it."""
    return (browser.clock.now() + timedelta(**kwargs)).strftime("%Y-%m-%dT%H:%M")


def digest_in(html: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', html)
    assert found is not None, html
    return found.group(1)


async def shown(browser: Browser, currency: str = "CNY") -> Any:  # noqa: ANN401 - JSON
    answer = await browser.client.get(f"/console/api{PATH}?currency={currency}")
    return answer.json()["data"]["biz_data"]


async def test_a_price_is_compared_announced_and_shown_as_coming_to_everyone(
    browser: Browser, context: ConsoleContext
) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": ahead(browser, days=2), "note": "A <b>better</b> one"}
    html = await browser.submit(f"{PATH}/look", **fields)
    # 1m x 0.2 + 1m x 2 + 0.5m x 3 yuan before, 0.1 + 1.000001 + 1 after.
    assert "¥3.70" in html
    assert "¥2.100001" in html
    assert browser.database.run(list_announced) == []
    html = await browser.submit(PATH, **fields, digest=digest_in(html))
    assert "The price is announced." in html
    (made,) = browser.database.run(list_announced)
    assert (made.price.hit_micros, made.price.miss_micros) == (100_000, 1_000_001)
    assert f'action="{PATH}/{made.id}/withdraw"' in html
    assert "&lt;b&gt;better" in html
    # This process charges by it already; another one sees it with its next reading.
    book = context.prices.book
    assert book.price_at("deepseek-chat", made.price.currency, made.effective_from) == made.price
    html = await browser.open("/pricing?currency=CNY")
    assert "Coming prices" in html
    assert "¥1.000001" in html
    assert "&lt;b&gt;better" in html
    assert "&lt;b&gt;better" not in await browser.open("/pricing?currency=USD")
    (entry,) = [each for each in browser.database.run(list_actions) if "price" in each.action]
    assert (entry.action, entry.subject) == ("price.announced", made.id)
    assert entry.detail.startswith("deepseek-chat CNY 0.1 / 1.000001 / 2 from 2026-01-17T12:00:00")
    # Once it is in force, it is the price; the one before it has an end.
    browser.clock.advance(2 * 86400)
    data = (await browser.client.get("/console/api/pricing?currency=CNY")).json()["data"][
        "biz_data"
    ]
    assert made.price.id in [price["id"] for price in data["current"]]
    assert made.price.id not in [line["price"]["id"] for line in data["coming"]]
    (before,) = [
        each for each in data["history"] if each["price"]["id"] == "v3.2/deepseek-chat/CNY"
    ]
    assert (before["state"], before["effective_to"][:16]) == ("past", "2026-01-17T12:00")
    browser.client.headers["accept-language"] = "zh-CN"
    assert "在此公布" in await browser.open(PATH)


async def test_the_same_as_json_calls_and_for_a_single_time_only(browser: Browser) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": "2026-03-01T20:00:00+08:00", "window": "v3-off-peak",
              "effective_to": "2026-04-01 00:00"}  # fmt: skip
    looked = await browser.call(f"{PATH}/look", **fields)
    assert [each["price"]["id"] for each in looked["before"]] == ["v3.2/deepseek-chat/CNY"]
    assert [each["hours"] is None for each in looked["after"]] == [False, True]
    assert looked["ends"].startswith("2026-04-01T00:00:00")
    made = await browser.call(PATH, **fields, digest=looked["digest"])
    assert made["effective_from"].startswith("2026-03-01T12:00:00")
    (line,) = [each for each in (await shown(browser))["lines"] if each["announced_id"]]
    assert (line["source"], line["state"], line["hours"]["spans"]) == (
        "announced", "coming", ["00:30–08:30"],
    )  # fmt: skip
    csrf = {"x-csrf-token": await browser.csrf()}
    again = await browser.client.post(
        f"/console/api{PATH}", json={**fields, "digest": looked["digest"]}, headers=csrf
    )
    assert (again.status_code, again.json()["data"]["biz_code"]) == (400, 1)
    taken = await browser.call(f"{PATH}/{made['id']}/withdraw")
    assert taken["id"] == made["id"]
    assert [each for each in (await shown(browser))["lines"] if each["announced_id"]] == []
    gone = await browser.client.post(
        f"/console/api{PATH}/{made['id']}/withdraw", json={}, headers=csrf
    )
    assert gone.status_code == 404
    assert {each.action for each in browser.database.run(list_actions, subject=made["id"])} == {
        "price.announced", "price.withdrawn",
    }  # fmt: skip


async def test_what_changed_since_the_look_is_looked_at_again(browser: Browser) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": ahead(browser, days=2)}
    html = await browser.submit(f"{PATH}/look", **fields)
    other = {**FIELDS, "effective_from": ahead(browser, days=1), "hit": "0.3"}
    looked = await browser.call(f"{PATH}/look", **other)
    await browser.call(PATH, **other, digest=looked["digest"])
    html = await browser.submit(PATH, **fields, digest=digest_in(html))
    assert browser.status == 400
    assert "have changed since" in html
    assert 'value="1.000001"' in html  # what was typed is still there
    assert len(browser.database.run(list_announced)) == 1


async def test_in_force_it_stays_for_good(browser: Browser) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": ahead(browser, minutes=5)}
    looked = await browser.call(f"{PATH}/look", **fields)
    made = await browser.call(PATH, **fields, digest=looked["digest"])
    for seconds in (181, 3600):
        browser.clock.advance(seconds)
        await browser.submit(f"{PATH}/{made['id']}/withdraw")
        assert browser.status == 400
        assert "two minutes before it is in force" in browser.html
    assert f'action="{PATH}/{made["id"]}/withdraw"' not in browser.html
    (line,) = [each for each in (await shown(browser))["lines"] if each["source"] == "announced"]
    assert (line["is_charged_now"], line["announced_id"]) == (True, None)


@pytest.mark.parametrize(
    "odd",
    [
        *({"hit": text} for text in (
            "-1", "NaN", "Infinity", "1e308", "1e999999999", "9223372036854775808", "0.0000001",
            "0.12345600000000000000000000000000000001", "1000001", "１", "0x1", "1,5", " ",
        )),
        {"miss": "-0"}, {"output": ""}, {"model": "nobody"}, {"currency": "EUR"},
        {"effective_from": "2026-01-15T12:04"}, {"effective_from": "2025-01-01T00:00"},
        {"effective_from": "9999-12-31T23:59"}, {"effective_from": "0001-01-01T00:00+14:00"},
        {"effective_from": "2026-02-30T00:00"}, {"effective_from": "tomorrow"},
        {"effective_to": "2026-01-16T12:00"}, {"window": "nothing"}, {"note": "x" * 201},
        {"note": "a\nb"}, {"note": "a\u202eb"},
    ],
)  # fmt: skip
async def test_odd_prices_are_refused(browser: Browser, odd: dict[str, str]) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": "2026-01-17T12:00", **odd}
    csrf = {"x-csrf-token": await browser.csrf()}
    for path, given in ((f"{PATH}/look", fields), (PATH, {**fields, "digest": "0" * 64})):
        await browser.submit(path, **given)
        assert browser.status == 400, path
        called = await browser.client.post(f"/console/api{path}", json=given, headers=csrf)
        assert (called.status_code, called.json()["data"]["biz_code"]) == (400, 1)
    assert browser.database.run(list_announced) == []


@pytest.mark.parametrize("odd", [0.28, 1, -1, True, None, [], 1e308, 2**63])
async def test_a_figure_that_is_no_text_is_refused(browser: Browser, odd: object) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": "2026-01-17T12:00", "hit": odd}
    called = await browser.client.post(
        f"/console/api{PATH}/look", json=fields, headers={"x-csrf-token": await browser.csrf()}
    )
    assert (called.status_code, called.json()["data"]["biz_code"]) == (400, 1)


async def test_news_of_a_price_are_begun_in_both_languages(browser: Browser) -> None:
    await operator(browser)
    fields = {**FIELDS, "effective_from": ahead(browser, days=2)}
    looked = await browser.call(f"{PATH}/look", **fields)
    made = await browser.call(PATH, **fields, digest=looked["digest"])
    html = await browser.open(f"/operator/announcements?price={made['id']}")
    assert "New price of deepseek-chat from 2026-01-17 12:00 UTC" in html
    assert "deepseek-chat 自 2026-01-17 12:00 UTC 起执行新价格" in html
    assert "other input 1.000001" in html
    assert "New price" not in await browser.open("/operator/announcements?price=nothing")


async def test_every_model_has_a_line_with_its_source(browser: Browser) -> None:
    await operator(browser)
    now = browser.clock.now()
    data = await shown(browser, "USD")
    book = PriceBook.load()
    for model in book.models():
        told = {
            line["price"]["id"]
            for line in data["lines"]
            if line["price"]["model"] == model and line["is_charged_now"]
        }
        listed = [entry for entry in book.listed(model) if entry.price.currency == "USD"]
        due = {entry.price.id for entry in listed if entry.holds_at(now)}
        assert told <= due
        assert len(told) == bool(due), model
    assert {line["source"] for line in data["lines"]} <= {"1-v2-to-v3.2.toml", "2-v4.toml"}
    begins = [datetime.fromisoformat(line["begins"]) for line in data["lines"]
              if line["state"] == "coming"]  # fmt: skip
    assert begins
    assert min(begins) > now
    assert {line["state"] for line in data["history"]} == {"past"}


async def test_two_processes_show_the_same_within_the_stated_time(
    browser: Browser, context: ConsoleContext
) -> None:
    """The other process is a reader of its own on the same database."""
    other = CurrentPrices(PriceBook.load())
    await context.database.read(other.read, browser.clock.now())
    await operator(browser)
    fields = {**FIELDS, "effective_from": ahead(browser, minutes=5)}
    looked = await browser.call(f"{PATH}/look", **fields)
    made = await browser.call(PATH, **fields, digest=looked["digest"])
    browser.clock.advance(120.001)
    book = await context.database.read(other.for_charging, browser.clock.now())
    assert made["price"]["id"] in {entry.price.id for entry in book.listed("deepseek-chat")}
