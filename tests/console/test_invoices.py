"""Invoices from asking to the letter with the paper, from both sides; and who is kept out."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pypdfium2
import pytest

from tests.console.attacks.test_scripts import HOSTILE, check_harmless
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.identities import verified
from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.audit import list_actions
from whalefall.accounts.users import User
from whalefall.accounts.verification import VerificationKind
from whalefall.base.mail import claim_mails, mark_sent
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.base.smtp import message_from
from whalefall.billing.invoice_content import Seller
from whalefall.billing.invoice_documents import file_of, list_invoices, without_file
from whalefall.billing.invoice_requests import open_requests
from whalefall.billing.price_versions import register_prices
from whalefall.billing.pricing import Price, TokenCounts
from whalefall.billing.usage import Usage, charge
from whalefall.billing.verification import verify
from whalefall.console.context import ConsoleContext
from whalefall.console.invoice_papers import make_papers
from whalefall.console.language import load_catalogs
from whalefall.console.papers.invoice_paper import catalog_language, invoice_pdf

PRICE = Price("dear/deepseek-chat/CNY", "deepseek-chat", Currency.CNY, 1000, 10**10, 0)
"""A miss token costs a hundredth."""
SELLER = Seller("Deep Water Ltd", "91990000MA00000001", "1 Sea Road", "Sea Bank", "6222", 600)


@pytest.fixture
def context(context: ConsoleContext) -> ConsoleContext:
    return replace(context, seller=SELLER)


def spent(browser: Browser, email: str, cents: int) -> User:
    """A user who has paid and used so many hundredths."""
    user = browser.make_user(email)
    bank = Bank(browser.database, browser.clock)
    browser.database.run(register_prices, [PRICE])
    bank.top_up(user, 50 * NANOS_PER_UNIT, key=f"payment of {email}")
    key, _ = browser.database.run(
        create_api_key, user_id=user.id, name="key", now=browser.clock.now()
    )
    held = bank.hold(user, cents * 10_000_000, hold_id=f"request of {email}")
    counts = TokenCounts(0, cents, 0)
    now = browser.clock.now()
    usage = Usage(held.hold_id, user.id, key.id, "deepseek-chat", PRICE, counts, now)
    browser.database.run(charge, usage, now)
    return user


def words_of(paper: bytes) -> str:
    document = pypdfium2.PdfDocument(paper)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


async def asked_and_issued(browser: Browser, **fields: object) -> httpx.Response:
    """Ann asks, the operator issues; the paper as Ann downloads it."""
    await browser.sign_in("ann@example.org")
    await browser.open("/invoices")
    await browser.submit("/invoices", **{"title": "Ann Example", **fields})
    assert "has been taken down" in browser.html, browser.html
    (asked,) = browser.database.run(open_requests)
    await browser.sign_in("root@example.org")
    await browser.open(f"/operator/invoices/requests/{asked.id}")
    await browser.submit(f"/operator/invoices/requests/{asked.id}/issue")
    assert "has been issued" in browser.html, browser.html
    await browser.sign_in("ann@example.org")
    made = browser.database.run(list_invoices)[0]
    return await browser.client.get(f"/invoices/{made.id}/file")


async def test_from_asking_to_the_letter_with_the_paper(browser: Browser) -> None:
    ann = spent(browser, "ann@example.org", 1203)
    browser.make_admin("root@example.org")
    verified(browser.database, ann, VerificationKind.ENTERPRISE, "深海计算（上海）有限公司")
    browser.client.headers["accept-language"] = "zh-CN"
    response = await asked_and_issued_in_chinese(browser)
    assert response.headers["content-type"] == "application/pdf"
    assert 'filename="INV-2026-000001.pdf"' in response.headers["content-disposition"]
    words = words_of(response.content)
    for word in (
        "深海计算（上海）有限公司", "INV-2026-000001", "¥12.03", "91990000MA0000001X",
        "合同 7 号", "壹拾贰元零叁分", "deepseek-chat", "2026-01", "Deep Water Ltd",
    ):  # fmt: skip
        assert word in words, word
    letter = browser.mails("ann@example.org")[0]
    assert letter.subject == "您的发票 INV-2026-000001"
    now = browser.clock.now()
    (mail,) = [each for each in browser.database.run(claim_mails, now) if each.id == letter.id]
    (attached,) = message_from(mail, "Whalefall <no-reply@example.org>").iter_attachments()
    assert attached.get_filename() == "INV-2026-000001.pdf"
    assert attached.get_content() == response.content
    browser.database.run(mark_sent, mail.id, now)
    assert browser.database.run_read(verify).is_consistent
    actions = {each.action for each in browser.database.run(list_actions)}
    assert {"invoice.asked", "invoice.issued"} <= actions


async def asked_and_issued_in_chinese(browser: Browser) -> httpx.Response:
    await browser.sign_in("ann@example.org")
    await browser.open("/invoices")
    await browser.submit(
        "/invoices",
        title_kind="enterprise",
        title="深海计算（上海）有限公司",
        tax_number="91990000ma0000001x",
        month="2026-01",
        remarks="合同 7 号",
        with_usage="1",
    )
    (asked,) = browser.database.run(open_requests)
    await browser.sign_in("root@example.org")
    html = await browser.open("/operator/invoices")
    assert "2026-01-26" in html
    html = await browser.open(f"/operator/invoices/requests/{asked.id}")
    assert "与认证名称一致" in html
    await browser.submit(f"/operator/invoices/requests/{asked.id}/issue")
    await browser.sign_in("ann@example.org")
    made = browser.database.run(list_invoices)[0]
    return await browser.client.get(f"/invoices/{made.id}/file")


async def test_a_refusal_is_told_with_its_reason(browser: Browser) -> None:
    spent(browser, "ann@example.org", 500)
    browser.make_admin("root@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/invoices")
    await browser.submit("/invoices", title="Ann Example", amount="5.01")
    assert "more than was paid" in browser.html
    await browser.submit("/invoices", title="Ann 😀", amount="5")
    assert "cannot be printed on an invoice: 😀" in browser.html
    await browser.submit("/invoices", title="Ann Example", amount="5")
    (asked,) = browser.database.run(open_requests)
    await browser.sign_in("root@example.org")
    path = f"/operator/invoices/requests/{asked.id}"
    await browser.open(path)
    await browser.submit(f"{path}/refuse", reason=" ")
    assert "A reason has" in browser.html
    await browser.submit(f"{path}/refuse", reason="the street is missing")
    assert "the street is missing" in browser.mails("ann@example.org")[0].text
    await browser.open(path)
    assert "answered already" in browser.html
    await browser.sign_in("ann@example.org")
    html = await browser.open("/invoices")
    assert "the street is missing" in html
    assert "¥5.00" in html


async def test_cancelled_and_issued_again(browser: Browser) -> None:
    spent(browser, "ann@example.org", 500)
    browser.make_admin("root@example.org")
    await asked_and_issued(browser, amount="5")
    (old,) = browser.database.run(list_invoices)
    await browser.open(f"/invoices/{old.id}")
    await browser.submit(f"/invoices/{old.id}/replace", title="Ann B. Example")
    (asked,) = browser.database.run(open_requests)
    await browser.sign_in("root@example.org")
    await browser.open(f"/operator/invoices/requests/{asked.id}")
    assert f"/operator/invoices/{old.id}" in browser.html
    await browser.submit(f"/operator/invoices/requests/{asked.id}/issue")
    numbers = {each.number for each in browser.database.run(list_invoices)}
    assert numbers == {"INV-2026-000001", "INV-2026-000002", "CN-2026-000001"}
    note = next(
        each for each in browser.database.run(list_invoices) if each.number == "CN-2026-000001"
    )
    paper = browser.database.run(file_of, note.id)
    assert paper is not None
    words = words_of(paper)
    assert "-¥5.00" in words
    assert "INV-2026-000001" in words
    new = next(each for each in browser.database.run(list_invoices) if each.sequence == 2)
    path = f"/operator/invoices/{new.id}"
    html = await browser.open(path)
    key = re.search(r'name="idempotency_key" value="([0-9a-f]{32})"', html)
    assert key is not None
    for _ in range(2):
        await browser.submit(
            f"{path}/credit", idempotency_key=key.group(1), amount="1.5", reason="a part"
        )
    assert len(browser.database.run(list_invoices)) == 4
    assert browser.database.run_read(verify).is_consistent


async def test_a_crash_between_number_and_paper_is_made_up_for(
    browser: Browser, context: ConsoleContext
) -> None:
    spent(browser, "ann@example.org", 500)
    browser.make_admin("root@example.org")
    response = await asked_and_issued(browser, amount="5")
    (made,) = browser.database.run(list_invoices)
    catalogs = load_catalogs()
    again = invoice_pdf(made.content, catalogs[catalog_language(made.content)])
    assert again == response.content, "the same content gives the same bytes"
    assert browser.database.run(without_file) == []
    assert await make_papers(context.database, catalogs, browser.clock.now()) == 0
    assert len([each for each in browser.mails("ann@example.org") if "INV" in each.subject]) == 1


async def test_nobody_reaches_the_papers_of_others(browser: Browser) -> None:
    spent(browser, "ann@example.org", 500)
    spent(browser, "eve@example.org", 500)
    browser.make_admin("root@example.org")
    await asked_and_issued(browser, amount="3")
    (made,) = browser.database.run(list_invoices)
    await browser.open("/invoices")
    await browser.submit("/invoices", title="Ann Example", amount="1")
    (asked,) = browser.database.run(open_requests)
    await browser.sign_in("eve@example.org")
    for path in (f"/invoices/{made.id}", f"/invoices/{made.id}/file"):
        assert (await browser.client.get(path)).status_code == 404
        assert (await browser.client.get(f"/console/api{path}")).status_code == 404
    csrf = {"csrf": await browser.csrf()}
    for path, fields in (
        (f"/invoices/requests/{asked.id}/withdraw", {}),
        (f"/invoices/{made.id}/replace", {"title": "Eve Example"}),
        (f"/operator/invoices/requests/{asked.id}/issue", {}),
        (f"/operator/invoices/requests/{asked.id}/refuse", {"reason": "no"}),
        (f"/operator/invoices/{made.id}/credit", {"idempotency_key": "12345678", "reason": "x"}),
    ):
        response = await browser.client.post(path, data={**csrf, **fields})
        assert response.status_code == 404, path
    for path in (f"/operator/invoices/requests/{asked.id}", f"/operator/invoices/{made.id}"):
        assert (await browser.client.get(path)).status_code == 404
    assert browser.database.run(open_requests) == [asked]
    assert len(browser.database.run(list_invoices)) == 1
    await browser.sign_in("root@example.org")
    assert (await browser.client.get(f"/invoices/{made.id}/file")).status_code == 200


async def test_titles_and_remarks_are_texts_everywhere(browser: Browser) -> None:
    spent(browser, "ann@example.org", 500)
    browser.make_admin("root@example.org")
    title = "<svg onload=evil()>\"'><evil-tag>"
    response = await asked_and_issued(browser, amount="3", title=title, remarks=HOSTILE)
    assert "<evil-tag>" in words_of(response.content).replace("\r\n", "")
    (made,) = browser.database.run(list_invoices)
    await browser.submit("/invoices", title=title, amount="1", remarks=HOSTILE)
    (asked,) = browser.database.run(open_requests)
    for path in ("/invoices", f"/invoices/{made.id}", "/transactions"):
        check_harmless(await browser.open(path), path)
    await browser.sign_in("root@example.org")
    for path in (
        "/operator/invoices",
        f"/operator/invoices/requests/{asked.id}",
        f"/operator/invoices/{made.id}",
        "/operator/audit",
        "/operator/outbox",
    ):
        check_harmless(await browser.open(path), path)


async def test_agreements_are_a_template_with_both_names(browser: Browser) -> None:
    ann = browser.make_user("ann@example.org")
    verified(browser.database, ann, VerificationKind.ENTERPRISE, "深海计算有限公司 {operator_name}")
    await browser.sign_in("ann@example.org")
    html = await browser.open("/agreements")
    assert "深海计算有限公司" in html
    for language, word in (("zh-CN", "框架服务协议"), ("en", "Framework agreement")):
        response = await browser.client.get(f"/agreements/file?language={language}")
        words = words_of(response.content)
        assert word in words
        assert "Deep Water Ltd" in words
        assert "深海计算有限公司 {operator_name}" in words
        again = await browser.client.get(f"/agreements/file?language={language}")
        assert again.content == response.content
    assert (await browser.client.get("/agreements/file?language=xx")).status_code == 400
    await browser.submit("/tickets", kind="agreement", subject="Agreement", text="Please.")
    assert "has been opened" in browser.html
