"""The Stop button as it is pressed: a real browser, the page's own script, an engine that would go
on for minutes."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from tests.console.test_chat import ChatPlatform
from tests.support.browser import PASSWORD, Browser
from tests.support.scripted_serving import Pause, ScriptedPlatform, Step
from whalefall.chat.messages import ContentDelta

pytestmark = pytest.mark.slow

WAIT_MS = 60_000


@pytest.fixture
def platform() -> ScriptedPlatform:
    slowly: list[Step] = [ContentDelta("and on "), Pause(0.2)]
    made = ChatPlatform(
        script=[ContentDelta("So far "), *slowly * 1500, ContentDelta("never seen")]
    )
    made.callers = []
    return made


@pytest.mark.timeout(300)
async def test_pressing_stop_ends_the_answer_and_says_so(
    browser: Browser,
    console_url: str,
    platform: ChatPlatform,
    chromium: Chromium,
) -> None:
    browser.make_user("ann@example.org")
    page = await chromium.new_page(locale="en")
    page.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(f"{console_url}/sign_in")
    await page.get_by_label("E-mail").fill("ann@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.goto(f"{console_url}/chat")
    stop, send = page.locator("#stop"), page.locator("#send")
    await expect(stop).to_be_hidden()
    await page.locator("#text").fill("Hello?")
    await send.click()
    await expect(page.get_by_text("So far")).to_be_visible(timeout=WAIT_MS)
    await expect(stop).to_be_visible()
    await stop.click()
    # The engine's part ends, the page says how it ended and what it cost, and one can go on.
    await asyncio.wait_for(platform.generations[0].closed.wait(), 60)
    await expect(page.get_by_text("stopped · ¥0.00")).to_be_visible(timeout=WAIT_MS)
    await expect(stop).to_be_hidden()
    await expect(send).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("So far")).to_be_visible(timeout=WAIT_MS)
    assert "never seen" not in await page.content()
    assert problems == []
    await page.close()
