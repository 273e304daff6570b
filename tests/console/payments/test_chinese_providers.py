"""From the form to the balance at the sandbox's Alipay and WeChat Pay, and who else knocks at the
door that their notices come through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from tests.support.fake_clock import FakeClock
from tests.support.payment_stage import Stage, payment_stage
from tests.support.provider_notices import (
    Keys,
    alipay_body,
    alipay_fields,
    wechatpay_body,
    wechatpay_content,
    wechatpay_headers,
    wechatpay_resource,
)
from whalefall.base.db import Database
from whalefall.base.money import Currency
from whalefall.billing.checkouts import find_checkout
from whalefall.billing.provider_events import EventState, list_events
from whalefall.billing.top_ups import TopUpState
from whalefall.sandbox.server import SandboxKeys

FEN = 10_000_000
PAID = 8880 * FEN


@pytest.fixture
async def stage(
    database: Database, clock: FakeClock, sandbox_keys: SandboxKeys
) -> AsyncIterator[Stage]:
    """Somebody whose account is in yuan, who is verified and signed in."""
    async with payment_stage(database, clock, sandbox_keys, Currency.CNY) as opened:
        yield opened


async def checkout_of(stage: Stage, source: str, amount: str = "88.80") -> tuple[str, str, str]:
    """An order, and where its page and its code lead."""
    order = await stage.order(source, amount)
    kept = stage.bank.database.run(find_checkout, order)
    assert kept is not None, stage.page
    return order, kept.checkout.url, kept.checkout.qr


async def pay(stage: Stage, source: str) -> str:
    order, url, qr = await checkout_of(stage, source)
    if source == "alipay":
        async with httpx.AsyncClient(timeout=60, follow_redirects=True) as browser:
            page = str((await browser.get(url)).url)
    else:
        [waiting] = [
            each for each in stage.sandbox.wechatpay.books.orders.values() if each.code_url == qr
        ]
        page = f"{stage.sandbox.url}/wechatpay/phone/{waiting.out_trade_no}"
    await stage.press(page, "pay")
    await stage.sandbox.courier.settled()
    return order


@dataclass
class Knock:
    """A notice of 88.80 yuan for an order, and what its provider reads when it is taken."""

    body: bytes
    headers: dict[str, str]
    ok: bytes


def knock(stage: Stage, keys: SandboxKeys, source: str, order: str) -> Knock:
    number, now = order.removeprefix("topup_"), stage.bank.now
    if source == "alipay":
        party = keys.alipay[0]
        fields = alipay_fields(party.app_id, party.seller_id, number, now)
        return Knock(alipay_body(fields, party.alipay_private_key), {}, b"success")
    wechatpay = keys.wechatpay[0]
    own = Keys(wechatpay.platform_private_key, wechatpay.public_key_id, wechatpay.api_v3_key)
    content = wechatpay_content(wechatpay.app_id, wechatpay.merchant_id, number)
    body = wechatpay_body(wechatpay_resource(content, own))
    ok = b'{"code":"SUCCESS","message":"OK"}'
    return Knock(body, wechatpay_headers(body, own, now), ok)


async def send(stage: Stage, source: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        url = f"{stage.url}/payments/{source}/notify"
        return await client.post(url, content=body, headers=headers)


@pytest.mark.parametrize("source", ["alipay", "wechatpay"])
async def test_payment_is_credited_by_its_notice(stage: Stage, source: str) -> None:
    order = await pay(stage, source)
    assert stage.topped_up() == PAID
    assert stage.top_up(order).provider_reference
    assert stage.sandbox.courier.num_refused == 0
    await stage.browser.open(f"/top_up/orders/{order}")
    assert "The payment has arrived" in stage.page
    assert stage.bank.verify().is_consistent


@pytest.mark.parametrize("source", ["alipay", "wechatpay"])
async def test_payment_is_found_when_no_notice_comes(stage: Stage, source: str) -> None:
    order, url, _ = await checkout_of(stage, source)
    number = order.removeprefix("topup_")
    if source == "alipay":
        async with httpx.AsyncClient(timeout=60, follow_redirects=True) as browser:
            await browser.get(url)
        stage.sandbox.alipay.books.pay(number, stage.bank.now)
    else:
        stage.sandbox.wechatpay.books.pay(number, stage.bank.now)
    stage.bank.clock.advance(21)
    await stage.chores.round()
    assert stage.topped_up() == PAID
    assert stage.bank.verify().is_consistent


@pytest.mark.parametrize("source", ["alipay", "wechatpay"])
async def test_order_that_nobody_pays_is_closed_at_the_provider_too(
    stage: Stage, source: str
) -> None:
    order, url, _ = await checkout_of(stage, source)
    if source == "alipay":
        async with httpx.AsyncClient(timeout=60, follow_redirects=True) as browser:
            page = str((await browser.get(url)).url)
    else:
        page = f"{stage.sandbox.url}/wechatpay/phone/{order.removeprefix('topup_')}"
    await stage.browser.submit(f"/top_up/orders/{order}/cancel")
    assert stage.top_up(order).state is TopUpState.EXPIRED
    await stage.press(page, "pay")
    await stage.sandbox.courier.settled()
    assert stage.topped_up() == 0


@pytest.mark.parametrize("source", ["alipay", "wechatpay"])
async def test_replayed_notice_is_answered_and_credits_nothing_more(
    stage: Stage, sandbox_keys: SandboxKeys, source: str
) -> None:
    order, _, _ = await checkout_of(stage, source)
    genuine = knock(stage, sandbox_keys, source, order)
    for _ in range(3):
        answer = await send(stage, source, genuine.body, genuine.headers)
        assert (answer.status_code, answer.content) == (200, genuine.ok)
    assert stage.topped_up() == PAID
    stage.bank.clock.advance(timedelta(days=3).total_seconds())
    stale = await send(stage, source, genuine.body, genuine.headers)
    assert stale.content != genuine.ok
    assert stage.topped_up() == PAID
    assert stage.bank.verify().is_consistent


@pytest.mark.parametrize("source", ["alipay", "wechatpay"])
async def test_notice_that_is_not_genuine_is_not_taken(
    stage: Stage, sandbox_keys: SandboxKeys, source: str
) -> None:
    order, _, _ = await checkout_of(stage, source)
    genuine = knock(stage, sandbox_keys, source, order)
    unsigned = {k: v for k, v in genuine.headers.items() if k != "wechatpay-signature"}
    other = "wechatpay" if source == "alipay" else "alipay"
    for body, headers in (
        (genuine.body.replace(b"8", b"9", 1), genuine.headers),
        (genuine.body.partition(b"&sign=")[0] if source == "alipay" else genuine.body, unsigned),
        (b"", genuine.headers),
        (b"x" * 70_000, genuine.headers),
        (knock(stage, sandbox_keys, other, order).body, genuine.headers),
    ):
        answer = await send(stage, source, body, headers)
        assert answer.content != genuine.ok
    assert stage.topped_up() == 0
    assert stage.top_up(order).state is TopUpState.OPEN


@pytest.mark.parametrize("source", ["alipay", "wechatpay"])
async def test_genuine_notice_of_another_amount_is_kept_and_credits_nothing(
    stage: Stage, sandbox_keys: SandboxKeys, source: str
) -> None:
    order, _, _ = await checkout_of(stage, source, "88.81")
    genuine = knock(stage, sandbox_keys, source, order)
    answer = await send(stage, source, genuine.body, genuine.headers)
    assert answer.content == genuine.ok, "telling it again would not help"
    assert stage.topped_up() == 0
    [refused] = stage.bank.database.run(list_events, EventState.REFUSED)
    assert refused.event.top_up_id == order
