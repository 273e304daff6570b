"""Whose mail domains may sign up."""

from __future__ import annotations

from dataclasses import replace

import httpx
from starlette.applications import Starlette

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.listening import listening
from whalefall.accounts.signup import EmailDomainRule
from whalefall.base.mail import list_mails
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext


def test_a_rule_covers_subdomains_and_denial_goes_first() -> None:
    rule = EmailDomainRule.of(allowed=["Example.org", "@gmail.com"], denied=["bad.example.org"])
    assert rule.admits("ann@example.org")
    assert rule.admits("ann@mail.example.org")
    assert rule.admits("ann@gmail.com")
    assert not rule.admits("ann@notexample.org")
    assert not rule.admits("ann@x.bad.example.org")
    assert not rule.admits("ann@example.org.evil.com")
    assert EmailDomainRule.of(denied=["spam.example"]).admits("ann@anything.example")


async def test_a_domain_that_is_not_admitted_gets_the_documented_message(
    context: ConsoleContext, clock: FakeClock
) -> None:
    rule = EmailDomainRule.of(allowed=["example.org"])
    app = Starlette(routes=console_routes(replace(context, email_domains=rule)))
    async with listening(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        client.headers["accept-language"] = "zh-CN"
        browser = Browser(client, context.database, clock)
        await browser.open("/sign_up")
        await browser.submit("/sign_up/code", email="ann@elsewhere.net")
        assert "注册失败，暂不支持该邮箱域名注册。" in browser.html
        assert context.database.run(list_mails) == []
        await browser.submit("/sign_up/code", email="ann@example.org")
        assert "验证码正在发送" in browser.html
