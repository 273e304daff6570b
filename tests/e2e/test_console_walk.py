"""A person's first day, in a real browser against a real server with the embedded model: sign up,
make a key, call the API with it, see the usage, export it, chat, revoke, delete the account."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from openai import AsyncOpenAI, AuthenticationError
from playwright.async_api import Browser, expect

from tests.support.server import Server
from tests.support.walk import PASSWORD, WAIT_MS, Walk, every_page_fits, sign_in, sign_up
from whalefall.console.language import Language, load_catalogs

pytestmark = pytest.mark.slow

PAGES = (
    "/usage",
    "/api_keys",
    "/top_up",
    "/top_up/bank",
    "/transactions",
    "/verification",
    "/invoices",
    "/refunds",
    "/agreements",
    "/pricing",
    "/profile",
    "/chat",
    "/playground",
    "/tickets",
    "/status",
    "/help",
    "/help/endpoints",
    "/help/faq",
    "/help/console-api",
    "/news",
)
OPERATOR_PAGES = (
    "/operator/overview",
    "/operator/users",
    "/operator/tickets",
    "/operator/models",
    "/operator/verifications",
    "/operator/payments",
    "/operator/transfers",
    "/operator/refunds",
    "/operator/invoices",
    "/operator/codes",
    "/operator/ledger",
    "/operator/reconciliation",
    "/operator/prices",
    "/operator/rerating",
    "/operator/announcements",
    "/operator/outbox",
    "/operator/audit",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("language", "width"), [(Language.ENGLISH, 1280), (Language.CHINESE, 390)])
async def test_a_first_day(
    server: Server, chromium: Browser, language: Language, width: int
) -> None:
    context = await chromium.new_context(
        locale=language.value, viewport={"width": width, "height": 900}, accept_downloads=True
    )
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("dialog", lambda dialog: dialog.accept())
    say = load_catalogs()[language].gettext
    walk = Walk(page, server, f"walker-{width}@example.org", say)
    await sign_up(walk)
    secret = await make_key(walk)
    server.command("grant", walk.email, "5")
    await call_the_api(walk, secret)
    await look_at_usage(walk)
    await chat(walk)
    await play(walk, secret)
    await revoke(walk, secret)
    await every_page_fits(walk, PAGES)
    await delete_account(walk)
    assert problems == []
    await context.close()


async def make_key(walk: Walk) -> str:
    await walk.open("/api_keys")
    await walk.fill("Name", "from the walk")
    await walk.click("Create")
    secret = await walk.page.get_by_label(walk.say("API key"), exact=True).input_value()
    assert re.fullmatch(r"sk-[0-9a-f]{32}", secret)
    return secret


async def call_the_api(walk: Walk, secret: str) -> None:
    async with AsyncOpenAI(base_url=walk.server.url, api_key=secret) as client:
        answer = await client.chat.completions.create(
            model="deepseek-chat",
            messages=[{"role": "user", "content": "Hello!"}],
            max_tokens=8,
        )
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


async def look_at_usage(walk: Walk) -> None:
    await walk.open("/usage")
    await expect(walk.page.get_by_role("heading", name="deepseek-chat")).to_be_visible()
    assert await walk.page.locator("svg rect.bar").count() >= 3
    async with walk.page.expect_download() as waiting:
        await walk.page.get_by_role("link", name=walk.say("Export")).click()
    path = await (await waiting.value).path()
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert sorted(name.partition("-")[0] for name in archive.namelist()) == ["amount", "cost"]


async def chat(walk: Walk) -> None:
    await walk.open("/chat")
    await walk.fill("Message", "What is a whale fall?")
    await walk.click("Send")
    await walk.see("Try again")
    assert await walk.page.locator(".said.model .prose").inner_text()
    assert "/chat/chat_" in walk.page.url
    await walk.page.reload()
    await expect(walk.page.locator(".said.user")).to_have_text("What is a whale fall?")
    await walk.click("Erase")
    await walk.see("The conversation has been deleted.")


async def play(walk: Walk, secret: str) -> None:
    await walk.open("/playground")
    await walk.fill("API key", secret)
    body = '{"model": "deepseek-chat", "messages": [{"role": "user", "content": "1"}], '
    await walk.fill("Body", body + '"max_tokens": 4}')
    await walk.click("Send")
    await expect(walk.page.get_by_role("status")).to_contain_text("200", timeout=WAIT_MS)
    await expect(walk.page.locator("#answer")).to_contain_text('"completion_tokens"')
    await expect(walk.page.locator("#python")).to_contain_text("max_tokens=4")


async def revoke(walk: Walk, secret: str) -> None:
    await walk.open("/api_keys")
    await walk.page.get_by_role("button", name=walk.say("Revoke")).first.click()
    await walk.see("API key revoked.")
    async with AsyncOpenAI(base_url=walk.server.url, api_key=secret, max_retries=0) as client:
        with pytest.raises(AuthenticationError):
            await client.models.list()


async def delete_account(walk: Walk) -> None:
    await walk.open("/profile/delete")
    label = walk.say("Type %(email)s to confirm") % {"email": walk.email}
    await walk.page.get_by_label(label).fill(walk.email)
    await walk.fill("Password", PASSWORD)
    await walk.click("Delete the account for good")
    await walk.see("Your account has been deleted.")


@pytest.mark.timeout(600)
async def test_an_operators_first_day(server: Server, chromium: Browser) -> None:
    """With the password that `serve` printed: it has to be changed before anything else opens."""
    context = await chromium.new_context(locale="en", viewport={"width": 390, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    walk = Walk(page, server, server.first_admin, load_catalogs()[Language.ENGLISH].gettext)
    await sign_in(walk, server.first_password)
    await walk.see("Choose a password of your own")
    await walk.open("/operator/users")
    await walk.see("Choose a password of your own")
    await walk.fill("Current password", server.first_password)
    await walk.fill("New password", PASSWORD)
    await walk.click("Change the password")
    await page.wait_for_url(lambda url: "change_password" not in url)
    await look_at_the_models(walk)
    await announce(walk)
    await every_page_fits(walk, OPERATOR_PAGES)
    assert problems == []
    await context.close()


async def look_at_the_models(walk: Walk) -> None:
    await walk.open("/operator/models")
    await expect(walk.page.get_by_role("heading", name="whalefall-tiny")).to_be_visible()
    await walk.see("ready")
    await walk.open("/status")
    for name in ("deepseek-chat", "deepseek-reasoner", "Console and accounts"):
        await expect(walk.page.get_by_role("heading", name=name)).to_be_visible()
    await walk.see("Everything works.")


async def announce(walk: Walk) -> None:
    await walk.open("/operator/announcements")
    await walk.page.locator("#title_en").fill("Open for everyone")
    await walk.click("Publish")
    await walk.see("The announcement is published.")
    await walk.open("/news")
    await expect(walk.page.get_by_role("heading", name="Open for everyone")).to_be_visible()
    await walk.open("/operator/audit")
    await walk.see("announcement.published")
