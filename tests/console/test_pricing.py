"""The price page: what holds now, what ever held and when, and what a text would cost."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.browser import Browser
from whalefall.billing.price_book import PriceBook


async def test_the_calculator_counts_pasted_text_and_says_what_it_costs(browser: Browser) -> None:
    await browser.open("/pricing?currency=CNY")
    await browser.submit(
        "/pricing?currency=CNY",
        model="deepseek-chat",
        currency="CNY",
        text="one two three four",
        output_tokens=500,
        hit_percent=50,
        num_requests=1000,
    )
    # 2 x 0.2 + 2 x 2 + 500 x 3 yuan per million, a thousand times.
    assert "¥1.5044" in browser.html
    assert "one two three four" in browser.html
    answer = await browser.call(
        "/pricing", model="deepseek-chat", currency="CNY", text="one two three four"
    )
    assert (answer["prompt_tokens"], answer["cost_nanos"]) == (4, 8000)
    for odd in ({"hit_percent": 101}, {"output_tokens": -1}, {"num_requests": 0}, {"model": "x"}):
        await browser.open("/pricing")
        await browser.submit("/pricing", **{"model": "deepseek-chat", "currency": "CNY", **odd})
        assert browser.status == 400, odd


async def test_every_price_there_has_been_is_listed_with_its_hours(browser: Browser) -> None:
    browser.client.headers["accept-language"] = "en"
    html = await browser.open("/pricing?currency=USD")
    for text in ("0.003625", "00:30–08:30 UTC+08:00", "09:00–12:00, 14:00–18:00 UTC+08:00"):
        assert text in html
    assert "Mon, Tue, Wed, Thu, Fri, not on public holidays" in html
    data = (await browser.client.get("/console/api/pricing?currency=USD")).json()
    page = data["data"]["biz_data"]
    lines = [*page["history"], *page["coming"]]
    assert {line["state"] for line in page["coming"]} == {"coming"}
    book = PriceBook.load()
    assert len(lines) == sum(entry.price.currency == "USD" for entry in book.listed())
    (trial,) = [line for line in lines if line["price"]["id"] == "v3-trial/deepseek-chat/USD"]
    assert trial["effective_to"].startswith("2025-02-08T16:00:00")
    (off_peak,) = [
        line for line in lines if line["price"]["id"] == "v3-off-peak/deepseek-reasoner/USD"
    ]
    assert off_peak["window"] == {
        "spans": ["00:30–08:30"],
        "offset": "UTC+08:00",
        "weekdays": [],
        "skips_holidays": False,
    }
    browser.client.headers["accept-language"] = "zh-CN"
    html = await browser.open("/pricing?currency=CNY")
    assert "周一, 周二, 周三, 周四, 周五, 法定节假日除外" in html


async def test_the_price_of_the_moment_is_the_one_of_the_clock(browser: Browser) -> None:
    browser.clock.advance(
        (datetime(2025, 3, 1, 20, tzinfo=UTC) - browser.clock.now()).total_seconds()
    )

    async def output_price() -> str:
        data = (await browser.client.get("/console/api/pricing?currency=CNY")).json()
        (chat,) = [
            price
            for price in data["data"]["biz_data"]["current"]
            if price["model"] == "deepseek-chat"
        ]
        return str(chat["id"])

    assert await output_price() == "v3-off-peak/deepseek-chat/CNY"
    browser.clock.advance(4.5 * 3600)
    assert await output_price() == "v3/deepseek-chat/CNY"
