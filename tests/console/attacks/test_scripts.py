"""Stored scripts: whatever people, models and operators write is shown as text, on every page."""

from __future__ import annotations

from html.parser import HTMLParser

from typing_extensions import override

from tests.support.browser import Browser
from whalefall.accounts.announcements import Notice, publish
from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.conversations import Words, say, start_conversation
from whalefall.accounts.tickets import NewTicket, TicketKind, open_ticket
from whalefall.base.money import Currency
from whalefall.billing.grants import GrantRequest, grant
from whalefall.console.application import all_views

HOSTILE = (
    "<evil-tag></evil-tag><script>evil()</script><img src=x onerror=evil()>"
    "<svg onload=evil()><a href=javascript:evil()>x</a>\"'><evil-tag a='"
)
MARKDOWN = HOSTILE + (
    "\n\n[a](javascript:evil()) [b](data:text/html,evil) [c](//evil.example)\n\n"
    "![d](https://evil.example/x.svg)\n\n<https://evil.example/?a=<b>\n\n"
    "| a |\n|---|\n| <evil-tag> |\n\n```html\n<script>evil()</script>\n```\n\n<evil-tag>\n"
)
SCHEMES = ("/", "#", "https://", "http://", "mailto:", "otpauth://totp/Whalefall:")
LINKED = ("href", "src", "action", "formaction", "xlink:href", "data", "poster")


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def check_harmless(html: str, path: str) -> None:
    for tag, attributes in Page(html).elements:
        assert tag != "evil-tag", path
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/"), path
        for name, value in attributes.items():
            assert not name.startswith("on"), (path, tag, name)
            assert name != "style", (path, tag)
            if name in LINKED:
                assert (value or "").startswith(SCHEMES), (path, value)
                assert not (value or "").startswith("//"), (path, value)
            if tag in ("img", "source", "image", "use"):
                assert "evil" not in (value or ""), path


async def test_nothing_that_is_stored_becomes_a_script_anywhere(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    ann = browser.make_user("ann@example.org")
    now, run = browser.clock.now(), browser.database.run
    run(create_api_key, user_id=ann.id, name=HOSTILE[:64], now=now)
    talk = run(start_conversation, ann.id, HOSTILE, now)
    run(say, talk.id, Words(HOSTILE), now)
    answer = Words(MARKDOWN, is_from_model=True, reasoning=HOSTILE, model=HOSTILE[:60])
    run(say, talk.id, answer, now)
    new = NewTicket(ann.id, ann.email, TicketKind.OTHER, HOSTILE[:120], HOSTILE)
    ticket = run(open_ticket, new, now)
    run(publish, Notice(HOSTILE[:120], MARKDOWN, HOSTILE[:120], MARKDOWN), now)
    gift = GrantRequest(ann.id, Currency.CNY, 10**9, "gift-0001", HOSTILE[:100], now, None)
    run(grant, gift)
    browser.client.headers["user-agent"] = HOSTILE
    for email in ("ann@example.org", "root@example.org"):
        await browser.sign_in(email)
        paths = [view.path for view in all_views()] + ["/help/console-api"]
        for template in paths:
            path = (
                template.replace("{conversation_id}", talk.id)
                .replace("{ticket_id}", ticket.id)
                .replace("{user_id}", ann.id)
            )
            for language in ("en", "zh-CN"):
                page = await browser.client.get(path, headers={"accept-language": language})
                if page.status_code == 200:
                    check_harmless(page.text, path)
    shown = await browser.open(f"/operator/users/{ann.id}")
    assert "&lt;evil-tag&gt;" in shown  # it was there, as text


async def test_what_is_typed_into_forms_and_urls_comes_back_as_text(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    for path, field in (
        ("/chat", "q"),
        ("/operator/users", "q"),
        ("/operator/audit", "actor"),
        ("/operator/audit", "subject"),
        ("/usage", "month"),
        ("/pricing", "currency"),
        ("/sign_in", "next"),
        ("/usage", "notice"),
    ):
        page = await browser.client.get(path, params={field: HOSTILE[:60]}, follow_redirects=True)
        check_harmless(page.text, path)
    await browser.open("/operator/announcements")
    html = await browser.submit("/operator/announcements", text_en=MARKDOWN)
    assert browser.status == 400
    check_harmless(html, "/operator/announcements")
    await browser.open("/tickets")
    check_harmless(await browser.submit("/tickets", subject=HOSTILE * 9, text=""), "/tickets")
