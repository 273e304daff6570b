"""From settings and key files to adapters that are ready to be called: everything that can be wrong
with a key is found here, at the start, and told with the name of its setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from whalefall.base.clock import Clock
from whalefall.base.signatures import (
    certificate_from_text,
    private_key_from_text,
    public_key_from_text,
    serial_of,
)
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.alipay_gateway import AlipayAccount
from whalefall.billing.payments.key_files import KeyFileError, read_public, read_secret
from whalefall.billing.payments.wechatpay import WechatPay
from whalefall.billing.payments.wechatpay_gateway import API_V3_KEY_BYTES, WechatPayAccount


class AlipayKeys(Protocol):
    """The settings of Alipay, without their common beginning."""

    @property
    def app_id(self) -> str: ...
    @property
    def seller_id(self) -> str: ...
    @property
    def app_private_key_file(self) -> Path: ...
    @property
    def public_key_file(self) -> Path: ...
    @property
    def gateway_url(self) -> str: ...


class WechatPayKeys(Protocol):
    """The settings of WeChat Pay, without their common beginning."""

    @property
    def app_id(self) -> str: ...
    @property
    def merchant_id(self) -> str: ...
    @property
    def merchant_serial(self) -> str: ...
    @property
    def merchant_private_key_file(self) -> Path: ...
    @property
    def api_v3_key_file(self) -> Path: ...
    @property
    def public_key_id(self) -> str | None: ...
    @property
    def public_key_file(self) -> Path | None: ...
    @property
    def platform_certificate_files(self) -> Sequence[Path]: ...
    @property
    def gateway_url(self) -> str: ...


def open_alipay(keys: AlipayKeys, clock: Clock) -> Alipay:
    """KeyFileError for a key that cannot be used."""
    own = read_secret(
        "alipay_app_private_key_file", keys.app_private_key_file, private_key_from_text
    )
    theirs = read_public("alipay_public_key_file", keys.public_key_file, public_key_from_text)
    if theirs == own.public_key():
        raise KeyFileError(
            f"alipay_public_key_file: {keys.public_key_file} is the app's own public key; Alipay "
            "shows its own beside it, after the app's was uploaded"
        )
    account = AlipayAccount(
        app_id=keys.app_id.strip(),
        seller_id=keys.seller_id.strip(),
        app_private_key=own,
        alipay_public_key=theirs,
        gateway_url=_gateway("alipay_gateway_url", keys.gateway_url),
    )
    return Alipay(account, clock)


def open_wechatpay(keys: WechatPayKeys, refund_notify_url: str, clock: Clock) -> WechatPay:
    """KeyFileError for a key that cannot be used. WeChat Pay posts the end of a refund to
    `refund_notify_url`."""
    account = WechatPayAccount(
        app_id=keys.app_id.strip(),
        merchant_id=keys.merchant_id.strip(),
        merchant_serial=keys.merchant_serial.strip().upper(),
        merchant_private_key=read_secret(
            "wechatpay_merchant_private_key_file",
            keys.merchant_private_key_file,
            private_key_from_text,
        ),
        api_v3_key=read_secret("wechatpay_api_v3_key_file", keys.api_v3_key_file, _api_v3_key),
        platform_keys=_platform_keys(keys),
        refund_notify_url=refund_notify_url,
        gateway_url=_gateway("wechatpay_gateway_url", keys.gateway_url),
    )
    return WechatPay(account, clock)


def _platform_keys(keys: WechatPayKeys) -> dict[str, RSAPublicKey]:
    found = {}
    for path in keys.platform_certificate_files:
        setting = "wechatpay_platform_certificate_files"
        certificate = read_public(setting, path, certificate_from_text)
        found[serial_of(certificate)] = read_public(setting, path, public_key_from_text)
    if keys.public_key_id and keys.public_key_file:
        setting = "wechatpay_public_key_file"
        name = keys.public_key_id.strip()
        found[name] = read_public(setting, keys.public_key_file, public_key_from_text)
    return found


def _api_v3_key(text: str) -> bytes:
    if len(text) != API_V3_KEY_BYTES:
        raise ValueError(f"not an APIv3 key: expected {API_V3_KEY_BYTES} characters")
    return text.encode()


def _gateway(setting: str, url: str) -> str:
    """Orders and answers in the clear only on this machine."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not is_local and parts.scheme != "https":
        raise KeyFileError(f"{setting}: {url!r} does not begin with https://")
    return url.rstrip("/")
