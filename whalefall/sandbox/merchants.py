"""Keys and numbers for a merchant at the sandbox's providers, made anew at every start.

Each `new_…` gives both halves: what the provider holds, and what an operator would be handed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.wechatpay import WechatPayParty

KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class AlipayMerchant:
    app_id: str
    seller_id: str
    app_private_key: RSAPrivateKey
    alipay_public_key: RSAPublicKey


@dataclass(frozen=True, slots=True)
class WechatPayMerchant:
    app_id: str
    merchant_id: str
    merchant_serial: str
    merchant_private_key: RSAPrivateKey
    api_v3_key: bytes
    public_key_id: str
    public_key: RSAPublicKey


def new_alipay() -> tuple[AlipayParty, AlipayMerchant]:
    app_id, seller_id = f"2021{_digits(12)}", f"2088{_digits(12)}"
    app_key, alipay_key = _key(), _key()
    return (
        AlipayParty(app_id, seller_id, app_key.public_key(), alipay_key),
        AlipayMerchant(app_id, seller_id, app_key, alipay_key.public_key()),
    )


def new_wechatpay() -> tuple[WechatPayParty, WechatPayMerchant]:
    app_id, merchant_id = f"wx{secrets.token_hex(8)}", f"19{_digits(8)}"
    serial, key_id = secrets.token_hex(20).upper(), f"PUB_KEY_ID_01{_digits(26)}"
    api_v3_key = secrets.token_hex(16).encode()
    merchant_key, platform_key = _key(), _key()
    return (
        WechatPayParty(
            app_id=app_id,
            merchant_id=merchant_id,
            merchant_serial=serial,
            merchant_public_key=merchant_key.public_key(),
            api_v3_key=api_v3_key,
            platform_private_key=platform_key,
            public_key_id=key_id,
        ),
        WechatPayMerchant(
            app_id=app_id,
            merchant_id=merchant_id,
            merchant_serial=serial,
            merchant_private_key=merchant_key,
            api_v3_key=api_v3_key,
            public_key_id=key_id,
            public_key=platform_key.public_key(),
        ),
    )


def _key() -> RSAPrivateKey:
    return generate_private_key(65537, KEY_BITS)


def _digits(number: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(number))
