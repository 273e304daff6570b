"""All sandbox providers on one loopback port, for as long as somebody tries payments out.

It makes the keys anew at every start and hands out the merchant's half of them. No money is real
here, and nothing of it is ever used unless it was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from typing_extensions import override

from whalefall.base.clock import Clock
from whalefall.sandbox.alipay import AlipayParty, AlipaySandbox
from whalefall.sandbox.courier import DELAYS_SECONDS, Courier
from whalefall.sandbox.merchants import (
    AlipayMerchant,
    WechatPayMerchant,
    new_alipay,
    new_wechatpay,
)
from whalefall.sandbox.pages import Button, render_page
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.stripe import StripeParty, StripeSandbox, new_stripe
from whalefall.sandbox.wechatpay import WechatPayParty, WechatPaySandbox


@dataclass(frozen=True, slots=True)
class Sandbox:
    url: str
    """Without a slash at its end."""
    courier: Courier
    alipay: AlipaySandbox
    wechatpay: WechatPaySandbox
    stripe: StripeSandbox
    alipay_merchant: AlipayMerchant
    wechatpay_merchant: WechatPayMerchant
    stripe_party: StripeParty


@dataclass(frozen=True, slots=True)
class SandboxKeys:
    """The provider's half and the merchant's, of those who sign with key pairs."""

    alipay: tuple[AlipayParty, AlipayMerchant]
    wechatpay: tuple[WechatPayParty, WechatPayMerchant]


def new_keys() -> SandboxKeys:
    return SandboxKeys(new_alipay(), new_wechatpay())


@contextlib.asynccontextmanager
async def open_sandbox(
    platform_url: str,
    clock: Clock,
    delays_seconds: Sequence[float] = DELAYS_SECONDS,
    late_seconds: float = 15.0,
    keys: SandboxKeys | None = None,
) -> AsyncIterator[Sandbox]:
    """`platform_url` is where webhooks go that a provider is told of in its dashboard. `keys` are
    for those who open many, because making them takes a while."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        courier = Courier(delays_seconds)
        sandbox = _sandbox(url, platform_url, clock, courier, late_seconds, keys or new_keys())
        config = uvicorn.Config(
            _application(sandbox), log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
        server = _QuietServer(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield sandbox
        finally:
            server.should_exit = True
            await serving
            await courier.close()


class _QuietServer(uvicorn.Server):
    """Leaves signals to the platform's own server."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _sandbox(
    url: str,
    platform_url: str,
    clock: Clock,
    courier: Courier,
    late_seconds: float,
    keys: SandboxKeys,
) -> Sandbox:
    alipay, alipay_merchant = keys.alipay
    wechatpay, wechatpay_merchant = keys.wechatpay
    stripe = new_stripe(f"{platform_url}/payments/stripe/notify")
    return Sandbox(
        url=url,
        courier=courier,
        alipay=AlipaySandbox(alipay, clock, courier, late_seconds),
        wechatpay=WechatPaySandbox(wechatpay, clock, courier, late_seconds),
        stripe=StripeSandbox(stripe, clock, courier, late_seconds),
        alipay_merchant=alipay_merchant,
        wechatpay_merchant=wechatpay_merchant,
        stripe_party=stripe,
    )


def _application(sandbox: Sandbox) -> Starlette:
    async def front(_request: Request) -> Response:
        return HTMLResponse(_front_page(sandbox))

    return Starlette(
        routes=[
            Route("/", front),
            *sandbox.alipay.routes,
            *sandbox.wechatpay.routes,
            *sandbox.stripe.routes,
        ]
    )


def _front_page(sandbox: Sandbox) -> str:
    """What becomes of refunds from now on, at each provider; and the phone that scans QR codes."""
    providers = {
        "alipay": sandbox.alipay.books.refund_course,
        "wechatpay": sandbox.wechatpay.books.refund_course,
        "stripe": sandbox.stripe.books.refund_course,
    }
    lines = [(f"{name}: 退款 · refunds", course.value) for name, course in providers.items()]
    buttons = [
        Button(f"{name}-{course.name.lower()}", f"{name}: {course}", f"/{name}/refunds/{course}")
        for name in providers
        for course in RefundCourse
    ]
    phone = [("手机（扫码支付） · Phone that pays by QR code", "/wechatpay/phone")]
    return render_page("沙箱 · Sandbox", lines, buttons, phone)
