"""Searches take what is typed literally, order is not the caller's to choose, pages are capped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tests.support.browser import Browser
from whalefall.accounts.announcements import Notice, publish
from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.conversations import start_conversation
from whalefall.accounts.tickets import NewTicket, TicketKind, open_ticket
from whalefall.accounts.users import User

NUM_ROWS = 230
ASKED: dict[str, str] = {
    "limit": "1000000",
    "page_size": "1000000",
    "offset": "-1",
    "sort": "password_hash",
    "order_by": "id; DROP TABLE users",
}
"""Fields nobody reads; asking for them changes nothing."""


def fill(conn: Connection, owner: User, now: datetime) -> None:
    for index in range(NUM_ROWS):
        start_conversation(conn, owner.id, f"talk {index}", now)
        publish(conn, Notice(f"news {index}"), now)
        record_action(conn, Actor(None, "x", "x"), "ticket.opened", "t", now)
        new = NewTicket(owner.id, owner.email, TicketKind.OTHER, f"ticket {index}", "text")
        open_ticket(conn, new, now)


async def listed(browser: Browser, path: str, name: str, **query: str) -> list[dict[str, Any]]:
    called = await browser.client.get(f"/console/api{path}", params=query)
    assert called.status_code == 200, called.text
    found: list[dict[str, Any]] = called.json()["data"]["biz_data"][name]
    return found


async def test_pages_are_capped_and_sorted_as_the_platform_wants(browser: Browser) -> None:
    root = browser.make_admin("root@example.org")
    browser.database.run(fill, root, browser.clock.now())
    await browser.sign_in("root@example.org")
    for path, name, most in (
        ("/chat", "conversations", 100),
        ("/tickets", "tickets", 200),
        ("/operator/tickets", "tickets", 200),
        ("/operator/audit", "entries", 100),
        ("/operator/announcements", "announcements", 100),
        ("/news", "items", 100),
    ):
        plain = await listed(browser, path, name)
        assert len(plain) == most, path
        assert await listed(browser, path, name, **ASKED) == plain, path


async def test_wildcards_and_quotes_are_text(browser: Browser) -> None:
    root = browser.make_admin("root@example.org")
    for text in ("100% sure", "under_score", "back\\slash", 'it\'s "quoted"; --', "plain"):
        browser.database.run(start_conversation, root.id, text, browser.clock.now())
    await browser.sign_in("root@example.org")
    for query, expected in {
        "%": ["100% sure"],
        "_": ["under_score"],
        "\\": ["back\\slash"],
        "'": ['it\'s "quoted"; --'],
        "' OR 1=1 --": [],
        "%%%%": [],
        "PLAIN": ["plain"],
    }.items():
        found = await listed(browser, "/chat", "conversations", q=query)
        assert [each["title"] for each in found] == expected, query
    for odd in ("\0", "a" * 5000, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")):
        for path in ("/chat", "/operator/users"):
            answer = await browser.client.get(f"/console/api{path}", params={"q": odd})
            assert answer.status_code in (200, 400), (path, odd[:5])
    assert (await browser.client.get("/chat/chat_%00")).status_code in (400, 404)
    await browser.open("/tickets")
    await browser.submit("/tickets", subject="nul \0", text="text")
    assert browser.status == 400
