"""The statement of an account against the ledger: every line, and the balance after each."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from tests.console.attacks.test_exports import FORMULAS
from tests.console.test_usage import prepared, use
from tests.support.bank import Bank
from tests.support.browser import Browser
from whalefall.accounts.users import User
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.billing.grants import GrantRequest, expire_grants, grant
from whalefall.billing.history import forfeit_balances
from whalefall.billing.ledger import balance
from whalefall.billing.movements import MovementKind, movements
from whalefall.billing.pricing import TokenCounts


def ledger_balance(browser: Browser, user: User) -> int:
    return browser.database.run(balance, user.id, Currency.CNY, browser.clock.now()).total_nanos


async def statement(browser: Browser, query: str = "month=all") -> list[dict[str, str]]:
    response = await browser.client.get(f"/transactions/export?{query}")
    assert response.status_code == 200
    assert response.content.startswith(b"\xef\xbb\xbf")
    assert response.content.count(b"\n") == response.content.count(b"\r\n")
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


async def test_balances_lead_from_nothing_to_what_the_ledger_says(browser: Browser) -> None:
    user, key, _ = await prepared(browser)
    bank = Bank(browser.database, browser.clock)
    bank.grant(user, 5_000_000, days=1, key="short gift")
    browser.clock.advance(2 * 24 * 3600)
    browser.database.run(expire_grants, browser.clock.now())
    use(browser, user, key, "request 9", TokenCounts(0, 10_000, 5_000))
    lines = await statement(browser)
    assert Decimal(lines[0]["balance_after"]) * NANOS_PER_UNIT == ledger_balance(browser, user)
    running = Decimal(0)
    for line in reversed(lines):
        running += Decimal(line["amount"])
        assert Decimal(line["balance_after"]) == running, line
        assert Decimal(line["paid"]) + Decimal(line["granted"]) == Decimal(line["amount"])
    kinds = {line["kind"] for line in lines}
    assert {"top_up", "grant", "charge", "expiry"} <= kinds
    charges = [line for line in lines if line["kind"] == "charge"]
    assert sum(int(line["count"]) for line in charges) == 4


async def test_an_open_hold_is_no_movement_and_what_it_ends_as_is(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    bank = Bank(browser.database, browser.clock)
    bank.top_up(user, 1000)
    await browser.sign_in("ann@example.org")
    held = bank.hold(user, 400)
    assert [line["kind"] for line in await statement(browser)] == ["top_up"]
    bank.charge(held, bank.api_key(user), 150)
    lines = await statement(browser)
    assert [(line["kind"], line["amount"]) for line in lines] == [
        ("charge", "-0.00000015"),
        ("top_up", "0.000001"),
    ]


async def test_months_kinds_and_pages(browser: Browser) -> None:
    user, key, _ = await prepared(browser)
    browser.clock.advance(31 * 24 * 3600)
    use(browser, user, key, "request 9", TokenCounts(0, 1000, 0))
    bank = Bank(browser.database, browser.clock)
    for index in range(120):
        bank.grant(user, 1, key=f"small gift {index}")
    await browser.sign_in("ann@example.org")
    html = await browser.open("/transactions")
    assert "Page 1 of 2" in html
    assert html.count("Grant</td>") == 99, "the newest line is the day's usage"
    assert "Page 2 of 2" in await browser.open("/transactions?page=2")
    january = await statement(browser, "month=2026-01")
    assert {line["utc_date"][:7] for line in january} == {"2026-01"}
    february = await statement(browser, "month=2026-02")
    first = february[-1]
    before = Decimal(first["balance_after"]) - Decimal(first["amount"])
    assert before == Decimal(january[0]["balance_after"])
    charges = await statement(browser, "month=all&kind=charge")
    assert {line["kind"] for line in charges} == {"charge"}
    everything = await statement(browser)
    assert [line for line in everything if line["kind"] == "charge"] == charges
    assert await statement(browser, "month=all&currency=USD") == []
    for odd in ("month=2026-13", "kind=x", "currency=EUR", "page=0"):
        assert (await browser.client.get(f"/transactions?{odd}")).status_code == 400, odd


async def test_others_movements_are_not_seen(browser: Browser) -> None:
    await prepared(browser)
    browser.make_user("eve@example.org")
    await browser.sign_in("eve@example.org")
    assert await statement(browser) == []
    assert "No movements" in await browser.open("/transactions?month=all")


async def test_reasons_are_no_formulas(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    now = browser.clock.now()
    for index, formula in enumerate(FORMULAS):
        if formula.isprintable():
            gift = GrantRequest(user.id, Currency.CNY, 5, f"gift {index}", formula, now, None)
            browser.database.run(grant, gift)
            Bank(browser.database, browser.clock).top_up(user, 7, key=f"top-up {index}")
    await browser.sign_in("ann@example.org")
    for line in await statement(browser):
        for name, cell in line.items():
            assert not cell.strip(' "').startswith(("=", "+", "@", "＝", "＋", "＠")), line
            if name not in ("paid", "granted", "amount", "balance_after"):
                assert not cell.startswith("-"), line


async def test_what_is_given_up_is_a_line(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    Bank(browser.database, browser.clock).top_up(user, 1000)
    now = browser.clock.now()
    browser.database.run(forfeit_balances, user.id, now)
    lines = browser.database.run_read(movements, user.id, now.date(), now.date())
    assert [(line.kind, line.balance_nanos) for line in lines] == [
        (MovementKind.FORFEIT, 0),
        (MovementKind.TOP_UP, 1000),
    ]
