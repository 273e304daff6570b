"""Announcements: written by operators, read by everyone in their language, never edited."""

from __future__ import annotations

import re

from tests.support.browser import Browser
from whalefall.accounts.audit import list_actions


async def announced(browser: Browser, **fields: str) -> str:
    await browser.open("/operator/announcements")
    return await browser.submit("/operator/announcements", **fields)


async def test_an_announcement_is_read_in_the_readers_language(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    assert "No news yet" in await browser.open("/news")
    await browser.sign_in("root@example.org")
    page = await announced(
        browser,
        title_en="Maintenance on Sunday",
        text_en="From **02:00** UTC. <script>alert(1)</script> [x](javascript:alert(1))",
        title_zh="周日维护",
        text_zh="从 **02:00** UTC 开始。",
    )
    assert "is published" in page
    browser.clock.advance(60)  # the newest comes first
    await announced(browser, title_zh="只有中文")
    english = await browser.open("/news")
    assert english.index("只有中文") < english.index("Maintenance on Sunday")
    assert "<strong>02:00</strong>" in english
    assert "<script>alert" not in english
    assert 'href="javascript' not in english
    chinese = await browser.client.get("/news", headers={"accept-language": "zh-CN"})
    assert "周日维护" in chinese.text
    assert "Maintenance" not in chinese.text


async def test_a_withdrawn_one_is_gone_for_readers_only(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    page = await announced(browser, title_en="Too soon")
    found = re.search(r"/operator/announcements/(news_[0-9a-f]+)/withdraw", page)
    assert found is not None
    assert "withdrawn" in await browser.submit(found.group())
    assert "Too soon" in browser.html
    await browser.submit(found.group())
    assert browser.status == 404
    assert "Too soon" not in await browser.open("/news")
    actions = browser.database.run(list_actions, subject=found.group(1))
    assert {each.action for each in actions} == {
        "announcement.published",
        "announcement.withdrawn",
    }


async def test_an_announcement_needs_a_title(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    for odd in ({}, {"title_en": "  "}, {"text_en": "no title"}, {"title_en": "x" * 121}):
        page = await announced(browser, **odd)
        assert browser.status == 400, odd
        assert 'role="alert"' in page
    assert "No news yet" in await browser.open("/news")
