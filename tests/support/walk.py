"""Somebody who walks through the console in a real browser, and what every walk begins with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.async_api import Page, expect

from tests.support.server import Server
from whalefall.base.db import Database
from whalefall.base.mail import list_mails

PASSWORD = "deep water, 4000 m"
WAIT_MS = 60_000
UNNAMED = """() => [...document.querySelectorAll("input, select, textarea, button")]
    .filter((each) => each.type !== "hidden" && each.offsetParent !== null)
    .filter((each) => !(each.labels?.length || each.getAttribute("aria-label")
        || each.textContent.trim()))
    .map((each) => each.outerHTML)"""
"""Fields and buttons that a screen reader could not name."""


@dataclass(frozen=True)
class Walk:
    page: Page
    server: Server
    email: str
    say: Callable[[str], str]
    """A text of the interface in the walker's language."""

    async def click(self, name: str) -> None:
        await self.page.get_by_role("button", name=self.say(name), exact=True).click()

    async def fill(self, label: str, value: str) -> None:
        await self.page.get_by_label(self.say(label), exact=True).fill(value)

    async def see(self, text: str) -> None:
        await expect(self.page.get_by_text(self.say(text)).first).to_be_visible(timeout=WAIT_MS)

    async def open(self, path: str) -> None:
        await self.page.goto(self.server.url + path)


async def sign_up(walk: Walk, currency: str = "CNY") -> None:
    await walk.open("/")
    await walk.page.get_by_role("link", name=walk.say("Create an account")).click()
    await walk.fill("E-mail", walk.email)
    await walk.click("Send verification code")
    await walk.see("Currency of the account")
    with Database.open(f"sqlite:///{walk.server.data_dir / 'whalefall.db'}") as database:
        mails = database.run(list_mails)
    letter = next(mail for mail in mails if mail.recipient == walk.email)
    found = re.search(r"\d{6}", letter.text)
    assert found is not None
    await walk.fill("Verification code", found.group())
    await walk.fill("Password", PASSWORD)
    await walk.page.get_by_label(walk.say("Currency of the account")).select_option(currency)
    await walk.click("Create account")
    await walk.see("No requests in this month")


async def sign_in(walk: Walk, password: str) -> None:
    await walk.open("/sign_in")
    await walk.fill("E-mail", walk.email)
    await walk.fill("Password", password)
    await walk.click("Sign in")


async def every_page_fits(walk: Walk, paths: tuple[str, ...]) -> None:
    """Nothing sticks out sideways, at either width; every field has a name, every page a heading;
    the way to the content is the first thing the keyboard reaches."""
    for path in paths:
        await walk.open(path)
        wide = await walk.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, path
        assert await walk.page.evaluate(UNNAMED) == [], path
        assert await walk.page.locator("h1").count() >= 1 or path == "/chat", path
        assert await walk.page.locator("html").get_attribute("lang") in ("en", "zh-CN")
    await walk.page.keyboard.press("Tab")
    reached = await walk.page.evaluate("document.activeElement.className")
    assert reached == "skip" or "/chat" in walk.page.url
