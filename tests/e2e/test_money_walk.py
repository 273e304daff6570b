"""Money in and out, in a real browser against a real server and its sandbox of payment providers:
verify, top up with each provider, spend, get an invoice as PDF, take the rest back; an enterprise
that pays by bank transfer; and the operator who answers them, all in both languages."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pypdfium2
import pytest
from openai import AsyncOpenAI
from playwright.async_api import Browser, FilePayload, expect

from tests.support.bank_counter import PAYMENT
from tests.support.bank_statements import cmb_csv
from tests.support.identities import PDF, credit_code, resident_number
from tests.support.server import Server, serving
from tests.support.walk import PASSWORD, WAIT_MS, Walk, every_page_fits, sign_in, sign_up
from whalefall.console.language import Language, load_catalogs

pytestmark = pytest.mark.slow

COMPANY = "深海数据（上海）有限公司"
ACCOUNT = "755900001234567"
SETTINGS = {
    "operator_name": "鲸落科技有限公司",
    "bank_account_number": ACCOUNT,
    "bank_account_bank": "深海银行",
    "bank_account_branch": "海沟支行",
    "bank_account_holder": "鲸落科技有限公司",
}


@pytest.fixture(scope="module")
def cash_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("--port", str(port), "--sandbox-payments")
    with serving(tmp_path_factory.mktemp("cash") / "data", arguments, **SETTINGS) as server:
        choose_password(server)
        yield server


def choose_password(server: Server) -> None:
    """The operator's own, as the command line takes it."""
    command = [sys.executable, "-m", "whalefall", "users", "password", server.first_admin]
    subprocess.run(
        [*command, "--data-dir", str(server.data_dir)],
        input=f"{PASSWORD}\n",
        text=True,
        check=True,
        capture_output=True,
        timeout=180,
        env=dict(server.environ),
    )


@contextlib.asynccontextmanager
async def walker(
    server: Server, chromium: Browser, email: str, language: Language, width: int
) -> AsyncIterator[Walk]:
    context = await chromium.new_context(
        locale=language.value, viewport={"width": width, "height": 900}, accept_downloads=True
    )
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    yield Walk(page, server, email, load_catalogs()[language].gettext)
    assert problems == []
    await context.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("language", "width"), [(Language.ENGLISH, 1280), (Language.CHINESE, 390)])
async def test_a_person_pays_spends_and_takes_the_rest_back(
    cash_desk: Server, chromium: Browser, language: Language, width: int
) -> None:
    name, serial = ("Ann Example", 1) if language is Language.ENGLISH else ("安小例", 2)
    email = f"payer-{width}@example.org"
    async with walker(cash_desk, chromium, email, language, width) as walk:
        await sign_up(walk)
        await verify_as_person(walk, name, serial)
        await approve(cash_desk, chromium, name)
        await pay(walk, "alipay", "20", "¥20.00")
        await pay(walk, "wechatpay", "30.50", "¥50.50")
        await spend(walk)
        await ask_invoice(walk, name)
        await issue(cash_desk, chromium, name)
        await read_invoice(walk, name)
        await take_back(walk)
        await every_page_fits(walk, ("/transactions", "/refunds", "/invoices", "/top_up"))


@pytest.mark.timeout(600)
async def test_dollars_are_paid_through_stripe(cash_desk: Server, chromium: Browser) -> None:
    async with walker(cash_desk, chromium, "dollars@example.org", Language.ENGLISH, 1280) as walk:
        await sign_up(walk, "USD")
        await verify_as_person(walk, "Dan Dollar", 3)
        await approve(cash_desk, chromium, "Dan Dollar")
        await pay(walk, "stripe", "15", "$15.00")
        await take_back(walk)


@pytest.mark.timeout(600)
async def test_an_enterprise_pays_by_bank_transfer(cash_desk: Server, chromium: Browser) -> None:
    async with walker(cash_desk, chromium, "company@example.org", Language.CHINESE, 1280) as walk:
        await sign_up(walk)
        await verify_as_company(walk)
        await approve(cash_desk, chromium, COMPANY)
        await walk.open("/top_up/bank")
        number = await walk.page.locator("#bank-number").text_content()
        assert number is not None
        assert number.startswith(ACCOUNT)
        for _ in range(2):
            await take_in_statement(cash_desk, chromium, number)
        await walk.open("/transactions")
        await walk.see("¥1,000.00")
        assert "¥2,000.00" not in await walk.page.content()


async def verify_as_person(walk: Walk, name: str, serial: int) -> None:
    await walk.open("/verification")
    form = walk.page.locator('form[action="/verification/personal"]')
    await form.locator("[name=name]").fill(name)
    await form.locator("[name=id_number]").fill(resident_number(serial))
    await form.locator("[name=is_declared]").check()
    await form.locator("button").click()
    await walk.see("Being checked")


async def verify_as_company(walk: Walk) -> None:
    await walk.open("/verification")
    form = walk.page.locator('form[action="/verification/enterprise"]')
    await form.locator("[name=name]").fill(COMPANY)
    await form.locator("[name=id_number]").fill(credit_code(77))
    await form.locator("[name=legal_representative]").fill("李小例")
    await form.locator("[name=document]").set_input_files(
        {"name": "licence.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )
    await form.locator("[name=is_declared]").check()
    await form.locator("button").click()
    await walk.see("Being checked")


@contextlib.asynccontextmanager
async def operator(server: Server, chromium: Browser) -> AsyncIterator[Walk]:
    """An operator of the server, signed in, with a browser of their own."""
    async with walker(server, chromium, server.first_admin, Language.ENGLISH, 1280) as walk:
        await sign_in(walk, PASSWORD)
        await walk.page.wait_for_url(lambda url: "sign_in" not in url)
        yield walk


async def approve(server: Server, chromium: Browser, name: str) -> None:
    async with operator(server, chromium) as desk:
        await desk.open("/operator/verifications")
        await desk.page.get_by_role("link", name=name).click()
        await desk.click("Approve")
        await desk.see("The verification has been approved.")


async def pay(walk: Walk, source: str, amount: str, balance: str) -> None:
    """Order, pay at the provider's page of the sandbox, come back to a balance."""
    await walk.open("/top_up")
    await walk.page.locator("#amount").fill(amount)
    await walk.page.locator(f'[name=source][value="{source}"]').check()
    await walk.click("Go on to pay")
    await walk.page.wait_for_url(re.compile("/top_up/orders/"))
    order = walk.page.url
    if source == "wechatpay":
        await expect(walk.page.locator(".qr svg")).to_be_visible()
        await walk.page.get_by_role("link", name=walk.say("The sandbox's phone")).click()
        await walk.page.locator("main li a").last.click()
    else:
        await walk.page.get_by_role("link", name=walk.say("Pay now")).click()
    await walk.page.locator("#pay").click()
    await walk.page.goto(order)
    await walk.see("The payment has arrived and is in your balance.")
    await walk.open("/transactions")
    await walk.see(balance)


async def spend(walk: Walk) -> None:
    """Enough for an invoice, whose least amount is a hundredth. In JSON mode no answer is
    empty."""
    made = walk.server.command("keys", "create", "--user", walk.email, "--name", "spender")
    async with AsyncOpenAI(base_url=walk.server.url, api_key=str(made["api_key"])) as client:
        for word in ("whale", "squid"):
            answer = await client.chat.completions.create(
                model="deepseek-chat",
                messages=[{"role": "user", "content": f"{word} " * 6000 + "as json"}],
                response_format={"type": "json_object"},
                max_tokens=4,
            )
            assert answer.usage is not None
            assert answer.usage.prompt_tokens > 6000
            assert answer.usage.completion_tokens > 0


async def ask_invoice(walk: Walk, name: str) -> None:
    await walk.open("/invoices")
    month = walk.page.locator("#month")
    await month.select_option(index=await month.locator("option").count() - 1)
    await walk.page.locator("#title").fill(name)
    await walk.page.locator("#with_usage").check()
    await walk.click("Ask for the invoice")
    await walk.see("Your request for an invoice has been taken down.")


async def issue(server: Server, chromium: Browser, name: str) -> None:
    async with operator(server, chromium) as desk:
        await desk.open("/operator/invoices")
        row = desk.page.locator("tr", has_text=name).first
        await row.get_by_role("link", name="Open").click()
        await desk.click("Issue the invoice")
        await desk.see("The invoice has been issued and is sent by e-mail.")


async def read_invoice(walk: Walk, name: str) -> None:
    await walk.open("/invoices")
    async with walk.page.expect_download() as waiting:
        await walk.page.get_by_role("link", name="PDF").first.click()
    path = await (await waiting.value).path()
    paper = pypdfium2.PdfDocument(path.read_bytes())
    text = "".join(page.get_textpage().get_text_range() for page in paper)
    assert name in text
    assert "鲸落科技有限公司" in text
    assert "deepseek-chat" in text
    paper.close()


async def take_back(walk: Walk) -> None:
    """All that is left, as the page proposes it."""
    await walk.open("/refunds")
    await walk.click("Ask for the refund")
    await walk.see("Your refund is on its way. We write when it is done.")
    done = walk.page.locator(".tag.good")
    for _ in range(30):
        if await done.count():
            break
        await walk.page.wait_for_timeout(2000)
        await walk.open("/refunds")
    assert await done.count() >= 1
    await walk.see("Nothing can be refunded now")


async def take_in_statement(server: Server, chromium: Browser, number: str) -> None:
    """The day's file of the bank, uploaded by an operator."""
    entry = replace(
        PAYMENT,
        booked_on=datetime.now(UTC).date(),
        credited_account=number,
        payer_name=COMPANY,
    )
    file: FilePayload = {
        "name": "cmb.csv",
        "mimeType": "text/csv",
        "buffer": cmb_csv([entry], ACCOUNT),
    }
    async with operator(server, chromium) as desk:
        await desk.open("/operator/transfers")
        await desk.page.locator("#statement").set_input_files(file)
        await desk.click("Import")
        await desk.see("Imported")
