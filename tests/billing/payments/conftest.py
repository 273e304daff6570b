"""A merchant at both Chinese providers of the sandbox, with keys made once, and both adapters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.support.fake_clock import FakeClock
from tests.support.provider_server import ProviderServer, provider_server
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.alipay_gateway import AlipayAccount
from whalefall.billing.payments.base import NANOS_PER_MINOR_UNIT, PaymentOrder, RefundOrder
from whalefall.billing.payments.wechatpay import WechatPay
from whalefall.billing.payments.wechatpay_gateway import WechatPayAccount
from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.merchants import (
    AlipayMerchant,
    WechatPayMerchant,
    new_alipay,
    new_wechatpay,
)
from whalefall.sandbox.wechatpay import WechatPayParty

FEN = NANOS_PER_MINOR_UNIT


@pytest.fixture
def clock() -> FakeClock:
    """Noon in Beijing, so that a few hours more or less are the same day."""
    return FakeClock(datetime(2026, 11, 27, 4, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def alipay_halves() -> tuple[AlipayParty, AlipayMerchant]:
    return new_alipay()


@pytest.fixture(scope="session")
def wechatpay_halves() -> tuple[WechatPayParty, WechatPayMerchant]:
    return new_wechatpay()


@pytest.fixture(scope="session")
def stranger_key() -> RSAPrivateKey:
    """Of somebody who is neither the merchant nor a provider."""
    return generate_private_key(65537, 2048)


@pytest.fixture
def server(
    alipay_halves: tuple[AlipayParty, AlipayMerchant],
    wechatpay_halves: tuple[WechatPayParty, WechatPayMerchant],
    clock: FakeClock,
) -> Iterator[ProviderServer]:
    with provider_server(alipay_halves[0], wechatpay_halves[0], clock) as running:
        yield running


def alipay_account(merchant: AlipayMerchant, url: str = "http://127.0.0.1:9") -> AlipayAccount:
    return AlipayAccount(
        app_id=merchant.app_id,
        seller_id=merchant.seller_id,
        app_private_key=merchant.app_private_key,
        alipay_public_key=merchant.alipay_public_key,
        gateway_url=f"{url}/alipay/gateway.do",
    )


def wechatpay_account(
    merchant: WechatPayMerchant, url: str = "http://127.0.0.1:9"
) -> WechatPayAccount:
    return WechatPayAccount(
        app_id=merchant.app_id,
        merchant_id=merchant.merchant_id,
        merchant_serial=merchant.merchant_serial,
        merchant_private_key=merchant.merchant_private_key,
        api_v3_key=merchant.api_v3_key,
        platform_keys={merchant.public_key_id: merchant.public_key},
        refund_notify_url=f"{url}/notify",
        gateway_url=f"{url}/wechatpay",
    )


@pytest.fixture
def alipay(
    alipay_halves: tuple[AlipayParty, AlipayMerchant], server: ProviderServer, clock: FakeClock
) -> Alipay:
    return Alipay(alipay_account(alipay_halves[1], server.url), clock)


@pytest.fixture
def wechatpay(
    wechatpay_halves: tuple[WechatPayParty, WechatPayMerchant],
    server: ProviderServer,
    clock: FakeClock,
) -> WechatPay:
    return WechatPay(wechatpay_account(wechatpay_halves[1], server.url), clock)


def order_of(fen: int, clock: FakeClock, url: str = "http://127.0.0.1:9") -> PaymentOrder:
    return PaymentOrder(
        top_up_id=new_id("topup"),
        currency=Currency.CNY,
        amount_nanos=fen * FEN,
        subject="Whalefall 充值 & top-up",
        expires_at=clock.now() + timedelta(minutes=30),
        return_url=f"{url}/back?top_up=1",
        notify_url=f"{url}/notify",
    )


def refund_of(order: PaymentOrder, reference: str, fen: int) -> RefundOrder:
    return RefundOrder(
        refund_id=new_id("refund"),
        top_up_id=order.top_up_id,
        provider_reference=reference,
        currency=order.currency,
        amount_nanos=fen * FEN,
        total_nanos=order.amount_nanos,
    )
