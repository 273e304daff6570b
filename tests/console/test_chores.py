"""Letters about low balances: one per fall, in the reader's language."""

from __future__ import annotations

from datetime import timedelta

from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from whalefall.accounts.throttles import Limit, may_try
from whalefall.base.db import Database
from whalefall.base.mail import Letter, list_mails, queue_mail
from whalefall.base.money import Currency
from whalefall.console.chores import do_chores
from whalefall.console.language import load_catalogs


async def test_a_low_balance_is_told_once_until_it_has_been_higher(browser: Browser) -> None:
    bank = Bank(browser.database, browser.clock)
    browser.client.headers["accept-language"] = "zh-CN"
    user = await browser.sign_up("ann@example.org")
    bank.top_up(user, 20_000_000_000)
    await browser.open("/profile")
    await browser.submit("/profile/alert", threshold="10")
    catalogs = load_catalogs()

    async def num_letters() -> int:
        browser.clock.advance(60)
        return await do_chores(browser.database, catalogs, browser.clock.now())

    assert await num_letters() == 0
    bank.settle(bank.hold(user, 15_000_000_000), 15_000_000_000)
    assert await num_letters() == 1
    assert await num_letters() == 0
    letter = browser.mails("ann@example.org")[0]
    assert "¥5.00" in letter.text
    assert "余额" in letter.subject
    bank.top_up(user, 6_000_000_000)
    assert await num_letters() == 0
    bank.settle(bank.hold(user, 5_000_000_000), 5_000_000_000)
    assert await num_letters() == 1


async def test_throttles_that_are_over_are_swept(database: Database, clock: FakeClock) -> None:
    limit = Limit("test", 1, timedelta(minutes=1))
    now = clock.now()
    assert database.run(may_try, limit, "ann", now)
    assert not database.run(may_try, limit, "ann", now)
    await do_chores(database, load_catalogs(), now + timedelta(minutes=2))
    assert database.run(may_try, limit, "ann", now)


async def test_only_live_money_of_the_own_currency_counts(browser: Browser) -> None:
    bank = Bank(browser.database, browser.clock)
    user = await browser.sign_up("ann@example.org")
    bank.grant(user, 20_000_000_000, days=1)
    Bank(browser.database, browser.clock, Currency.USD).top_up(user, 90_000_000_000)
    await browser.open("/profile")
    await browser.submit("/profile/alert", threshold="10")
    catalogs = load_catalogs()
    assert await do_chores(browser.database, catalogs, browser.clock.now()) == 0
    browser.clock.advance(25 * 3600)
    assert await do_chores(browser.database, catalogs, browser.clock.now()) == 1
    assert "¥0.00" in browser.mails("ann@example.org")[0].text


async def test_old_letters_are_forgotten(database: Database, clock: FakeClock) -> None:
    database.run(queue_mail, Letter("ann@example.org", "old", "text"), clock.now())
    clock.advance(89 * 24 * 3600)
    database.run(queue_mail, Letter("ann@example.org", "new", "text"), clock.now())
    clock.advance(24 * 3600)
    await do_chores(database, load_catalogs(), clock.now())
    assert [mail.subject for mail in database.run(list_mails)] == ["new"]
