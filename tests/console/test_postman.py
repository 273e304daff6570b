"""From the outbox to the mail server: once, in order, again after a failure, never for ever."""

from __future__ import annotations

from dataclasses import replace

import httpx
from starlette.applications import Starlette

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.listening import listening
from tests.support.mail_server import mail_server
from whalefall.base.db import Database
from whalefall.base.mail import (
    NUM_TRIES_MAX,
    DeliveryError,
    Letter,
    Mail,
    UndeliverableError,
    claim_mails,
    list_mails,
    queue_mail,
)
from whalefall.base.smtp import SmtpServer, SmtpTransport
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext
from whalefall.console.postman import Postman


class Letterbox:
    """A transport that remembers what it was given, and fails when told to."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.failure: DeliveryError | None = None

    async def send(self, mail: Mail) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(mail)


def write_letter(database: Database, clock: FakeClock, subject: str) -> None:
    clock.advance(1)
    database.run(queue_mail, Letter("ann@example.org", subject, "the code is 123456"), clock.now())


async def test_each_letter_goes_out_once_and_only_its_heading_is_kept(
    database: Database, clock: FakeClock
) -> None:
    box = Letterbox()
    postman = Postman(database, clock, box)
    for subject in ("first", "second"):
        write_letter(database, clock, subject)
    assert await postman.round() == 2
    assert await postman.round() == 0
    assert [mail.subject for mail in box.sent] == ["first", "second"]
    assert all(mail.sent_at and not mail.text for mail in database.run(list_mails))


async def test_two_processes_share_the_work(database: Database, clock: FakeClock) -> None:
    write_letter(database, clock, "only one")
    first = await database.write(claim_mails, clock.now())
    assert len(first) == 1
    assert await database.write(claim_mails, clock.now()) == []
    clock.advance(61)
    assert len(await database.write(claim_mails, clock.now())) == 1


async def test_a_failure_is_told_waited_out_and_given_up_in_the_end(
    database: Database, clock: FakeClock
) -> None:
    box = Letterbox()
    box.failure = DeliveryError("451 come back later\r\nX: y")
    postman = Postman(database, clock, box)
    write_letter(database, clock, "patience")
    waits = []
    for _ in range(NUM_TRIES_MAX):
        await postman.round()
        (mail,) = database.run(list_mails)
        assert mail.error == "451 come back laterX: y"
        assert mail.next_try_at is not None
        waits.append((mail.next_try_at - clock.now()).total_seconds())
        clock.advance(waits[-1])
    assert waits[:3] == [60, 120, 240]
    assert max(waits) == 4 * 3600
    assert [mail.is_given_up for mail in database.run(list_mails)] == [True]
    box.failure = None
    assert await postman.round() == 0


async def test_a_letter_nobody_will_ever_take_is_given_up_at_once(
    database: Database, clock: FakeClock
) -> None:
    box = Letterbox()
    box.failure = UndeliverableError("550 no such user")
    write_letter(database, clock, "nobody")
    await Postman(database, clock, box).round()
    (mail,) = database.run(list_mails)
    assert (mail.is_given_up, mail.text) == (True, "")


async def test_a_sign_up_code_reaches_the_mailbox(browser: Browser) -> None:
    async with mail_server() as server:
        transport = SmtpTransport(
            SmtpServer("127.0.0.1", server.port, "none", "no-reply@whalefall.test")
        )
        await browser.open("/sign_up")
        await browser.submit("/sign_up/code", email="ann@example.org")
        code = browser.code("ann@example.org")
        assert await Postman(browser.database, browser.clock, transport).round() == 1
    assert code in server.letters[0].get_content()


async def test_the_operator_sees_codes_where_there_is_no_mail_server(
    browser: Browser, clock: FakeClock
) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    write_letter(browser.database, clock, "a code")
    assert "the code is 123456" in await browser.open("/operator/outbox")


async def test_with_a_mail_server_the_operator_sees_headings_and_how_it_went(
    context: ConsoleContext, browser: Browser, clock: FakeClock
) -> None:
    with_server = Starlette(routes=console_routes(replace(context, shows_outbox=False)))
    async with (
        listening(with_server) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        other = Browser(client, browser.database, clock)
        other.make_admin("root@example.org")
        await other.sign_in("root@example.org")
        write_letter(other.database, clock, "a code")
        box = Letterbox()
        box.failure = UndeliverableError("550 no such user")
        html = await other.open("/operator/outbox")
        assert "a code" in html
        assert "waiting" in html
        assert "123456" not in html
        await Postman(other.database, clock, box).round()
        html = await other.open("/operator/outbox")
        assert "given up" in html
        assert "550 no such user" in html
