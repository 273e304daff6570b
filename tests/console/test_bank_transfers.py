"""Bank transfers as an enterprise and an operator meet them, over a real socket."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.bank_counter import ACCOUNT, NAME, PAYMENT, YUAN, paid_to
from tests.support.bank_statements import camt053, cmb_csv, icbc_csv
from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.identities import VAULT, claim_of, verified
from tests.support.listening import listening
from whalefall.accounts.audit import list_actions
from whalefall.accounts.users import User
from whalefall.accounts.verification import VerificationKind, submit_claim
from whalefall.base.db import Database
from whalefall.base.money import Currency
from whalefall.billing.bank_entries import BankEntry, EntryFilter, EntryState, list_entries
from whalefall.billing.bank_statements.problems import Problem
from whalefall.billing.ledger import balance
from whalefall.billing.verification import verify
from whalefall.billing.virtual_accounts import virtual_account_of
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext
from whalefall.console.language import Language, load_catalogs


@pytest.fixture
async def counter(
    context: ConsoleContext, database: Database, clock: FakeClock
) -> AsyncIterator[Browser]:
    """A browser at a console whose operator has a bank account."""
    offered = replace(context, bank_account=ACCOUNT)
    async with (
        listening(Starlette(routes=console_routes(offered))) as url,
        httpx.AsyncClient(base_url=url, headers={"accept-language": "en"}, timeout=120) as client,
    ):
        yield Browser(client, database, clock)


def entries(browser: Browser) -> list[BankEntry]:
    return browser.database.run_read(list_entries, EntryFilter())


def paid_nanos(browser: Browser, user: User) -> int:
    now = browser.clock.now()
    return browser.database.run(balance, user.id, Currency.CNY, now).topped_up_nanos


async def enterprise(browser: Browser) -> tuple[User, str]:
    """Signed in, and its account number as the console API tells it."""
    user = browser.make_user("firm@example.org")
    verified(browser.database, user, VerificationKind.ENTERPRISE, NAME)
    await browser.sign_in("firm@example.org")
    told = await browser.client.get("/console/api/top_up/bank")
    return user, told.json()["data"]["biz_data"]["details"]["account_number"]


async def operator(browser: Browser) -> None:
    browser.client.cookies.clear()
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")


async def upload(browser: Browser, data: bytes, **fields: str) -> str:
    await browser.open("/operator/transfers")
    response = await browser.client.post(
        "/operator/transfers",
        data={"csrf": await browser.csrf(), **fields},
        files={"statement": ("a statement.csv", data, "text/csv")},
    )
    browser.html, browser.status = response.text, response.status_code
    return browser.html


async def test_a_transfer_from_its_number_to_the_balance(counter: Browser) -> None:
    user, number = await enterprise(counter)
    html = await counter.open("/top_up/bank")
    assert " ".join(re.findall(".{1,4}", number)) in html
    for text in (ACCOUNT.holder, ACCOUNT.bank, ACCOUNT.branch, NAME, "10 minutes to 60 minutes"):
        assert text in html
    await operator(counter)
    statement = icbc_csv([paid_to(number, reference="R1"), PAYMENT], ACCOUNT.number)
    html = await upload(counter, statement, is_dry_run="true")
    assert "What an import would do now" in html
    assert entries(counter) == []
    html = await upload(counter, statement)
    assert "2 entries, 0 known already" in html
    assert paid_nanos(counter, user) == 1000 * YUAN
    html = await upload(counter, camt053([paid_to(number, reference="R1"), PAYMENT], "x"))
    assert counter.status == 400
    html = await upload(
        counter, camt053([paid_to(number, reference="R1"), PAYMENT], ACCOUNT.number)
    )
    assert "2 entries, 2 known already" in html
    assert paid_nanos(counter, user) == 1000 * YUAN
    (letter,) = counter.mails("firm@example.org")
    assert "¥1,000.00" in letter.text
    assert NAME in letter.text
    assert counter.database.run_read(verify).is_consistent
    actions = [entry.action for entry in counter.database.run(list_actions)]
    assert actions.count("statement.imported") == 2


async def test_what_waits_is_credited_returned_or_left(counter: Browser) -> None:
    user, _ = await enterprise(counter)
    await operator(counter)
    others = [replace(PAYMENT, payer_name=name) for name in ("某甲", "某乙", NAME)]
    await upload(counter, cmb_csv(others, ACCOUNT.number))
    html = await counter.open("/operator/transfers?state=waiting&q=某甲")
    assert "某甲" in html
    assert "某乙" not in html
    by_name = {entry.payer_name: entry for entry in entries(counter)}
    page = f"/operator/transfers/{by_name[NAME].id}"
    assert "firm@example.org" in await counter.open(page)
    await counter.submit(f"{page}/attribute", email="firm@example.org", reason="")
    assert "Give a reason" in counter.html
    await counter.submit(f"{page}/attribute", email="nobody@example.org", reason="x")
    assert "no user with that address" in counter.html
    await counter.submit(f"{page}/attribute", email="firm@example.org", reason="no number written")
    assert "has been credited" in counter.html
    assert "no number written" in counter.html
    assert paid_nanos(counter, user) == 1000 * YUAN
    assert len(counter.mails("firm@example.org")) == 1
    page = f"/operator/transfers/{by_name['某甲'].id}"
    await counter.open(page)
    await counter.submit(f"{page}/leave", reason="asked the bank")
    assert "asked the bank" in counter.html
    await counter.submit(f"{page}/return", reason="a person")
    assert "noted as sent back" in counter.html
    told = await counter.call(
        f"/operator/transfers/{by_name['某乙'].id}/return", reason="a person, too"
    )
    assert told["state"] == EntryState.RETURNED
    assert counter.database.run_read(verify).is_consistent
    actions = {entry.action for entry in counter.database.run(list_actions)}
    assert actions >= {"bank_entry.attributed", "bank_entry.left", "bank_entry.returned"}


async def test_the_same_by_json_call_and_in_chinese(counter: Browser) -> None:
    user, number = await enterprise(counter)
    await operator(counter)
    statement = cmb_csv([paid_to(number)], ACCOUNT.number)
    encoded = base64.b64encode(statement).decode()
    done = await counter.call("/operator/transfers", statement=encoded, file_name="一月.csv")
    assert done["report"]["num_by_state"]["matched"] == 1
    assert done["report"]["file"] == "一月.csv"
    assert paid_nanos(counter, user) == 1000 * YUAN
    refused = await counter.client.post(
        "/console/api/operator/transfers",
        json={"statement": base64.b64encode(b"a,b\n1,2\n").decode(), "file_name": "乱.csv"},
        headers={"x-csrf-token": await counter.csrf(), "accept-language": "zh"},
    )
    assert refused.status_code == 400
    assert refused.json()["data"]["biz_msg"].startswith("乱.csv 第 2 行")


async def test_an_enterprise_gets_its_number_when_it_is_approved(counter: Browser) -> None:
    user = counter.make_user("firm@example.org")
    claim = claim_of(user, VerificationKind.ENTERPRISE, NAME)
    waiting = counter.database.run(submit_claim, VAULT, claim, counter.clock.now())
    await operator(counter)
    await counter.open(f"/operator/verifications/{waiting.id}")
    await counter.submit(f"/operator/verifications/{waiting.id}/approve")
    given = counter.database.run_read(virtual_account_of, user.id, ACCOUNT.number)
    assert given is not None
    counter.client.cookies.clear()
    await counter.sign_in("firm@example.org")
    told = await counter.client.get("/console/api/top_up/bank")
    assert told.json()["data"]["biz_data"]["details"]["account_number"] == given.number


async def test_a_person_and_a_stranger_are_led_to_the_verification(counter: Browser) -> None:
    person = counter.make_user("ann@example.org")
    await counter.sign_in("ann@example.org")
    html = await counter.open("/top_up/bank")
    assert "Verify the enterprise" in html
    assert 'href="/verification"' in html
    verified(counter.database, person, VerificationKind.PERSONAL, "Ann Example")
    assert "Change to an enterprise" in await counter.open("/top_up/bank")
    told = await counter.client.get("/console/api/top_up/bank")
    assert told.json()["data"]["biz_data"]["details"] is None


async def test_without_an_account_in_the_currency_nothing_is_offered(
    counter: Browser, browser: Browser
) -> None:
    dollars = counter.make_user("usd@example.org", Currency.USD)
    verified(counter.database, dollars, VerificationKind.ENTERPRISE, NAME)
    await counter.sign_in("usd@example.org")
    assert "not offered here" in await counter.open("/top_up/bank")
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    assert "No bank account is set up" in await browser.open("/operator/transfers")
    assert "not offered here" in await browser.open("/top_up/bank")


async def test_junk_uploads_are_refused_and_change_nothing(counter: Browser) -> None:
    await operator(counter)
    for data in (b"\xff\xfe\x00", b"<a/>", b"x" * 1000, b"\x00" * 50, b"=1+1\r\n"):
        await upload(counter, data)
        assert counter.status == 400
        assert "statement, line" in counter.html
    await upload(counter, b"x" * (9 << 20))
    assert counter.status == 413
    assert (await counter.client.get("/operator/transfers?before=x")).status_code == 400
    assert (await counter.client.get("/operator/transfers/none")).status_code == 404
    assert entries(counter) == []


def test_every_problem_is_told_in_chinese_with_the_same_values() -> None:
    chinese = load_catalogs()[Language.CHINESE]
    for problem in Problem:
        assert problem.value in chinese, problem
        expected = sorted(re.findall(r"%\(\w+\)[sd]", problem.value))
        assert sorted(re.findall(r"%\(\w+\)[sd]", chinese.gettext(problem.value))) == expected
