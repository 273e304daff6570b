"""Builds the payment providers: from the settings, or for a sandbox that plays them."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from whalefall.base.clock import Clock
from whalefall.base.signatures import (
    certificate_from_text,
    private_key_from_text,
    public_key_from_text,
)
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.alipay_gateway import AlipayAccount
from whalefall.billing.payments.base import PaymentProvider
from whalefall.billing.payments.key_files import KeyFileError, read_public, read_secret
from whalefall.billing.payments.stripe import Stripe, StripeAccount
from whalefall.billing.payments.wechatpay import WechatPay
from whalefall.billing.payments.wechatpay_gateway import WechatPayAccount
from whalefall.billing.top_ups import TopUpSource
from whalefall.sandbox.server import Sandbox
from whalefall.settings import Settings, SettingsError

Providers = Mapping[TopUpSource, PaymentProvider]


def providers_from_settings(settings: Settings, base_url: str, clock: Clock) -> Providers:
    """Those that are set up. SettingsError for a key file that cannot be used."""
    found: list[PaymentProvider] = []
    try:
        if settings.alipay is not None:
            found.append(Alipay(alipay_account(settings), clock))
        if settings.wechatpay is not None:
            found.append(WechatPay(wechatpay_account(settings, base_url), clock))
        if settings.stripe is not None:
            given = settings.stripe
            account = StripeAccount(given.secret_key, given.webhook_secret, given.api_base)
            found.append(Stripe(account, clock))
    except KeyFileError as error:
        raise SettingsError(str(error)) from None
    return {each.source: each for each in found}


def providers_from_sandbox(sandbox: Sandbox, base_url: str, clock: Clock) -> Providers:
    """All three, with the keys that the sandbox made."""
    alipay, wechatpay = sandbox.alipay_merchant, sandbox.wechatpay_merchant
    found: tuple[PaymentProvider, ...] = (
        Alipay(
            AlipayAccount(
                app_id=alipay.app_id,
                seller_id=alipay.seller_id,
                app_private_key=alipay.app_private_key,
                alipay_public_key=alipay.alipay_public_key,
                gateway_url=f"{sandbox.url}/alipay/gateway.do",
            ),
            clock,
        ),
        WechatPay(
            WechatPayAccount(
                app_id=wechatpay.app_id,
                merchant_id=wechatpay.merchant_id,
                merchant_serial=wechatpay.merchant_serial,
                merchant_private_key=wechatpay.merchant_private_key,
                api_v3_key=wechatpay.api_v3_key,
                platform_keys={wechatpay.public_key_id: wechatpay.public_key},
                refund_notify_url=wechatpay_notify_url(base_url),
                gateway_url=f"{sandbox.url}/wechatpay",
            ),
            clock,
        ),
        Stripe(
            StripeAccount(
                sandbox.stripe_party.secret_key,
                sandbox.stripe_party.webhook_secret,
                f"{sandbox.url}/stripe",
            ),
            clock,
        ),
    )
    return {each.source: each for each in found}


def alipay_account(settings: Settings) -> AlipayAccount:
    given = settings.alipay
    assert given is not None
    return AlipayAccount(
        app_id=given.app_id,
        seller_id=given.seller_id,
        app_private_key=read_secret(
            "alipay_app_private_key_file", given.app_private_key_file, private_key_from_text
        ),
        alipay_public_key=read_public(
            "alipay_public_key_file", given.public_key_file, public_key_from_text
        ),
        gateway_url=given.gateway_url,
    )


def wechatpay_account(settings: Settings, base_url: str) -> WechatPayAccount:
    given = settings.wechatpay
    assert given is not None
    keys = {}
    if settings.wechatpay_public_key_id and settings.wechatpay_public_key_file:
        keys[settings.wechatpay_public_key_id] = read_public(
            "wechatpay_public_key_file", settings.wechatpay_public_key_file, public_key_from_text
        )
    for path in settings.wechatpay_platform_certificate_files:
        serial, key = read_public("wechatpay_platform_certificate_files", path, _certified_key)
        keys[serial] = key
    return WechatPayAccount(
        app_id=given.app_id,
        merchant_id=given.merchant_id,
        merchant_serial=given.merchant_serial,
        merchant_private_key=read_secret(
            "wechatpay_merchant_private_key_file",
            given.merchant_private_key_file,
            private_key_from_text,
        ),
        api_v3_key=read_secret("wechatpay_api_v3_key_file", given.api_v3_key_file, _api_v3_key),
        platform_keys=keys,
        refund_notify_url=wechatpay_notify_url(base_url),
        gateway_url=given.gateway_url,
    )


def wechatpay_notify_url(base_url: str) -> str:
    return f"{base_url.rstrip('/')}/payments/{TopUpSource.WECHATPAY}/notify"


def _certified_key(text: str) -> tuple[str, RSAPublicKey]:
    """The serial number as WeChat Pay names it, and the key."""
    return f"{certificate_from_text(text).serial_number:X}", public_key_from_text(text)


def _api_v3_key(text: str) -> bytes:
    if len(text) != 32:
        raise ValueError("not 32 characters long")
    return text.encode()
