"""The open platform of Alipay as a caller sees it: one address, form fields signed with RSA2, and
answers whose exact text is signed.

Signs, sends, verifies; what is asked and what the answers mean stands in alipay.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from whalefall.base.clock import Clock
from whalefall.base.signatures import is_signed, sign
from whalefall.billing.payments.base import ProviderError
from whalefall.billing.payments.beijing import BEIJING
from whalefall.billing.payments.exchange import exchange

LIVE_GATEWAY_URL = "https://openapi.alipay.com/gateway.do"


@dataclass(frozen=True, slots=True)
class AlipayAccount:
    """What the operator holds at Alipay."""

    app_id: str
    seller_id: str
    """The merchant's own number at Alipay, `2088…`: notices to anyone else are refused."""
    app_private_key: RSAPrivateKey
    alipay_public_key: RSAPublicKey
    """Alipay's, not the one that belongs to app_private_key."""
    gateway_url: str = LIVE_GATEWAY_URL


@dataclass(frozen=True, slots=True)
class AlipayAnswer:
    """One verified answer."""

    fields: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return self.fields.get("code") == "10000"

    @property
    def sub_code(self) -> str:
        return str(self.fields.get("sub_code", ""))

    @property
    def is_undecided(self) -> bool:
        """Alipay does not know itself whether it was done: 20000 is `service unavailable`."""
        return self.fields.get("code") == "20000" or self.sub_code in UNDECIDED_SUB_CODES

    def told(self) -> str:
        """For an operator: the code and Alipay's own sentence."""
        code = self.sub_code or str(self.fields.get("code", ""))
        return f"{code} {self.fields.get('sub_msg', self.fields.get('msg', ''))}".strip()

    def text(self, name: str) -> str:
        return str(self.fields.get(name, ""))


UNDECIDED_SUB_CODES = ("ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "isp.unknow-error")


class AlipayGateway:
    def __init__(self, account: AlipayAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock

    def page_url(self, method: str, content: Mapping[str, Any], **urls: str) -> str:
        """Where a browser goes; whoever opens it cannot change anything in it."""
        fields = self._signed(method, content, urls)
        return f"{self._account.gateway_url}?{urlencode(fields)}"

    def call(self, method: str, content: Mapping[str, Any]) -> AlipayAnswer:
        """ProviderError when there is no answer, or none that Alipay signed."""
        fields = self._signed(method, content, {})
        # The charset has to be known before the body is read, so it stands in the address too.
        url = f"{self._account.gateway_url}?charset=utf-8"
        headers = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
        reply = exchange("Alipay", "POST", url, headers, urlencode(fields).encode())
        if reply.status != HTTPStatus.OK:
            raise ProviderError(f"Alipay answered with status {reply.status}")
        return read_answer(method, reply.body, self._account.alipay_public_key)

    def _signed(
        self, method: str, content: Mapping[str, Any], urls: Mapping[str, str]
    ) -> dict[str, str]:
        fields = {
            "app_id": self._account.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": beijing_text(self._clock.now()),
            "version": "1.0",
            "biz_content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
            **{name: url for name, url in urls.items() if url},
        }
        signature = sign(self._account.app_private_key, signed_text(fields).encode())
        return {**fields, "sign": signature}


def signed_text(fields: Mapping[str, str]) -> str:
    """What is signed of form fields: `name=value` in the order of the names, with & between."""
    return "&".join(f"{name}={value}" for name, value in sorted(fields.items()))


def read_answer(method: str, body: bytes, alipay_public_key: RSAPublicKey) -> AlipayAnswer:
    """The signature covers the text of the answer's node exactly as it was sent, so that text is
    cut out before anything is read. ProviderError for whatever is not signed: an answer that
    somebody on the way made up must not decide about money."""
    try:
        text = body.decode()
        document = json.loads(text)
        node_name = method.replace(".", "_") + "_response"
        if node_name not in document:
            node_name = "error_response"
        fields = document[node_name]
        signature = document.get("sign", "")
        node = _text_of_node(text, node_name)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProviderError("Alipay's answer is not of the documented form") from None
    if not isinstance(fields, dict) or json.loads(node) != fields:
        raise ProviderError("Alipay's answer is not of the documented form")
    answer = AlipayAnswer(fields)
    # Some of Alipay's machines sign the text before slashes are escaped in it.
    texts = (node, node.replace("\\/", "/"))
    if not any(is_signed(alipay_public_key, each.encode(), str(signature)) for each in texts):
        raise ProviderError(f"Alipay's answer is not signed by Alipay: {answer.told()[:200]}")
    return answer


def _text_of_node(text: str, name: str) -> str:
    start = text.index("{", text.index(f'"{name}"') + len(name) + 2)
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end]


def beijing_text(instant: datetime) -> str:
    """Alipay's hour is Beijing's, wherever the server stands."""
    return instant.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def instant_from_beijing(text: str) -> datetime:
    """ValueError for anything but `2026-01-31 09:30:00`."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
