"""WeChat Pay's API v3 as a caller sees it: JSON requests signed with the merchant's key, replies
and notices signed by the platform, and notices whose middle is encrypted besides.

Signs, sends, verifies, decrypts; what is asked and what the answers mean stands in wechatpay.py."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whalefall.base.clock import Clock
from whalefall.base.signatures import is_signed, sign
from whalefall.billing.payments.base import ProviderError
from whalefall.billing.payments.exchange import Reply, exchange

LIVE_GATEWAY_URL = "https://api.mch.weixin.qq.com"
SCHEME = "WECHATPAY2-SHA256-RSA2048"
PUBLIC_KEY_ID_PREFIX = "PUB_KEY_ID_"
API_V3_KEY_BYTES = 32
MESSAGE_AGE_SECONDS_MAX = 300
"""What is older, or further ahead, was not sent just now."""


@dataclass(frozen=True, slots=True)
class WechatPayAccount:
    """What the operator holds at WeChat Pay."""

    app_id: str
    merchant_id: str
    merchant_serial: str
    """The serial number of the merchant's certificate, in hex."""
    merchant_private_key: RSAPrivateKey
    api_v3_key: bytes
    """32 bytes; notices are encrypted with it."""
    platform_keys: Mapping[str, RSAPublicKey]
    """WeChat Pay's own keys by the name it signs under: the id of its public key (`PUB_KEY_ID_…`),
    the serial number of a platform certificate, or both while a merchant changes over."""
    refund_notify_url: str
    gateway_url: str = LIVE_GATEWAY_URL

    @property
    def public_key_id(self) -> str:
        """Empty for a merchant that still has platform certificates alone."""
        ids = (name for name in self.platform_keys if name.startswith(PUBLIC_KEY_ID_PREFIX))
        return next(ids, "")


@dataclass(frozen=True, slots=True)
class WechatPayAnswer:
    """One verified reply."""

    status: int
    fields: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return self.status in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)

    @property
    def code(self) -> str:
        return "" if self.is_success else str(self.fields.get("code", ""))

    @property
    def is_passing(self) -> bool:
        """It may be different in a while."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.code in PASSING_CODES

    def told(self) -> str:
        return f"{self.code} {self.fields.get('message', '')}".strip() or f"status {self.status}"

    def text(self, name: str) -> str:
        return str(self.fields.get(name, ""))


PASSING_CODES = (
    "SYSTEM_ERROR",
    "FREQUENCY_LIMITED",
    "FREQUENCY_LIMIT_EXCEED",
    "RATELIMIT_EXCEEDED",
)


class WechatPayGateway:
    def __init__(self, account: WechatPayAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock

    def call(
        self, method: str, path: str, content: Mapping[str, Any] | None = None
    ) -> WechatPayAnswer:
        """ProviderError when there is no reply, or none that WeChat Pay signed: it signs its
        refusals as well, except when it cannot tell who asks."""
        reply = self._send(method, path, content)
        told = _fields_of(reply)
        refusal = self.why_not_genuine(reply.headers, reply.body)
        if refusal:
            code = f", {told.get('code', '')}" if told.get("code") else ""
            raise ProviderError(
                f"WeChat Pay answered with status {reply.status}{code}, but {refusal}"
            )
        return WechatPayAnswer(reply.status, told)

    def download(self, url: str) -> bytes:
        """A file, which is not signed: a hash in a signed answer vouches for it."""
        if not url.startswith(self._account.gateway_url + "/"):
            raise ProviderError("WeChat Pay names a file that is not on its gateway")
        reply = self._send("GET", url.removeprefix(self._account.gateway_url), None)
        if reply.status != HTTPStatus.OK:
            raise ProviderError(f"WeChat Pay answered with status {reply.status} to a download")
        return reply.body

    def why_not_genuine(self, headers: Mapping[str, str], body: bytes) -> str:
        """Empty when WeChat Pay signed this message a moment ago; else what is wrong with it."""
        serial, nonce = headers.get("wechatpay-serial", ""), headers.get("wechatpay-nonce", "")
        timestamp = headers.get("wechatpay-timestamp", "")
        signature = headers.get("wechatpay-signature", "")
        if headers.get("wechatpay-signature-type", SCHEME) != SCHEME:
            return "it is signed in another way"
        key = self._account.platform_keys.get(serial)
        if key is None:
            return "it is signed with a key that is not configured"
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and nonce):
            return "it does not say when it was signed"
        if abs(self._clock.now().timestamp() - int(timestamp)) > MESSAGE_AGE_SECONDS_MAX:
            return "it was not signed just now"
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        return "" if is_signed(key, message, signature) else "it is not signed by WeChat Pay"

    def decrypt(self, resource: Mapping[str, Any]) -> bytes:
        """The content of a notice's resource. ValueError when it was not encrypted with our key,
        or when anything of it, the associated data included, was altered."""
        if resource.get("algorithm") != "AEAD_AES_256_GCM":
            raise ValueError("it is encrypted in another way")
        try:
            return AESGCM(self._account.api_v3_key).decrypt(
                str(resource["nonce"]).encode(),
                base64.b64decode(str(resource["ciphertext"]), validate=True),
                str(resource.get("associated_data") or "").encode(),
            )
        except KeyError as error:
            raise ValueError(f"it lacks {error}") from None
        except (InvalidTag, binascii.Error, ValueError):
            raise ValueError("it cannot be decrypted with the APIv3 key") from None

    def _send(self, method: str, path: str, content: Mapping[str, Any] | None) -> Reply:
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": "whalefall",
            "authorization": self._authorization(method, path, body),
        }
        if self._account.public_key_id:
            headers["wechatpay-serial"] = self._account.public_key_id
        return exchange("WeChat Pay", method, self._account.gateway_url + path, headers, body)

    def _authorization(self, method: str, path: str, body: bytes) -> str:
        timestamp, nonce = int(self._clock.now().timestamp()), secrets.token_hex(16)
        message = f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        values = {
            "mchid": self._account.merchant_id,
            "nonce_str": nonce,
            "signature": sign(self._account.merchant_private_key, message),
            "timestamp": timestamp,
            "serial_no": self._account.merchant_serial,
        }
        return f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in values.items())


def _fields_of(reply: Reply) -> Mapping[str, Any]:
    """An empty body says nothing more than its status."""
    try:
        fields = json.loads(reply.body or b"{}")
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ProviderError(f"WeChat Pay answered with status {reply.status} and no JSON object")
    return fields
