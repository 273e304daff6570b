"""Builds the payment providers: from the settings, or for a sandbox that plays them."""

from __future__ import annotations

from collections.abc import Mapping

from whalefall.base.clock import Clock
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.alipay_gateway import AlipayAccount
from whalefall.billing.payments.base import PaymentProvider
from whalefall.billing.payments.key_files import KeyFileError
from whalefall.billing.payments.opening import open_alipay, open_wechatpay
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
            found.append(open_alipay(settings.alipay, clock))
        if settings.wechatpay is not None:
            notify_url = wechatpay_notify_url(base_url)
            found.append(open_wechatpay(settings.wechatpay, notify_url, clock))
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


def wechatpay_notify_url(base_url: str) -> str:
    return f"{base_url.rstrip('/')}/payments/{TopUpSource.WECHATPAY}/notify"
