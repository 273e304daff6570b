"""The sandbox speaks the real protocols: libraries by others, made for the real gateways, pay, ask
and refund at it, and verify what it signs and encrypts. So adapter and sandbox cannot be wrong
together in the same way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from alipay import AliPay
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from wechatpayv3 import WeChatPay, WeChatPayType

from tests.support.provider_server import ProviderServer, provider_server
from whalefall.base.clock import SystemClock
from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.merchants import AlipayMerchant, WechatPayMerchant
from whalefall.sandbox.wechatpay import WechatPayParty

NUMBER = "0123456789abcdef0123456789abcdef"


def private_text(key: RSAPrivateKey, shape: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, shape, NoEncryption()).decode()


def public_text(key: RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def live(
    alipay_halves: tuple[AlipayParty, AlipayMerchant],
    wechatpay_halves: tuple[WechatPayParty, WechatPayMerchant],
) -> Iterator[ProviderServer]:
    """By the clock on the wall, which these libraries read themselves."""
    with provider_server(alipay_halves[0], wechatpay_halves[0], SystemClock()) as running:
        yield running


def test_python_alipay_sdk_pays_asks_refunds_and_verifies_the_notice(
    live: ProviderServer, alipay_halves: tuple[AlipayParty, AlipayMerchant]
) -> None:
    merchant = alipay_halves[1]
    sdk = AliPay(
        appid=merchant.app_id,
        app_private_key_string=private_text(
            merchant.app_private_key, PrivateFormat.TraditionalOpenSSL
        ),
        alipay_public_key_string=public_text(merchant.alipay_public_key),
        sign_type="RSA2",
    )
    sdk._gateway = f"{live.url}/alipay/gateway.do"
    query = sdk.api_alipay_trade_page_pay(
        subject="测试 & test",
        out_trade_no=NUMBER,
        total_amount="88.80",
        return_url=f"{live.url}/back",
        notify_url=live.notify_url,
    )
    page = live.browse("GET", f"/alipay/gateway.do?{query}")
    live.browse("POST", f"{page.url.path}/pay")
    live.settle()

    notice = dict(parse_qsl(live.mailbox.arrived[0][1].decode()))
    signature = notice.pop("sign")
    assert sdk.verify(dict(notice), signature)
    assert not sdk.verify({**notice, "total_amount": "88.81"}, signature)

    answer = sdk.api_alipay_trade_query(out_trade_no=NUMBER)
    assert (answer["code"], answer["trade_status"]) == ("10000", "TRADE_SUCCESS")
    refund = sdk.api_alipay_trade_refund("10.00", out_trade_no=NUMBER, out_request_no="r1")
    assert (refund["fund_change"], refund["refund_fee"]) == ("Y", "10.00")
    found = sdk.api_alipay_trade_fastpay_refund_query("r1", out_trade_no=NUMBER)
    assert found["refund_amount"] == "10.00"
    unknown = sdk.api_alipay_trade_close(out_trade_no="never")
    assert (unknown["code"], unknown["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")


def test_wechatpayv3_pays_asks_refunds_and_decrypts_the_notice(
    live: ProviderServer,
    wechatpay_halves: tuple[WechatPayParty, WechatPayMerchant],
    tmp_path: Path,
) -> None:
    merchant = wechatpay_halves[1]
    sdk = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=merchant.merchant_id,
        private_key=private_text(merchant.merchant_private_key, PrivateFormat.PKCS8),
        cert_serial_no=merchant.merchant_serial,
        appid=merchant.app_id,
        apiv3_key=merchant.api_v3_key.decode(),
        notify_url=live.notify_url,
        cert_dir=str(tmp_path),
        public_key=public_text(merchant.public_key),
        public_key_id=merchant.public_key_id,
    )
    sdk._core._gate_way = f"{live.url}/wechatpay"

    def told(answer: tuple[int, Any], status: int = 200) -> dict[str, Any]:
        assert answer[0] == status, answer
        content: dict[str, Any] = json.loads(answer[1]) if answer[1] else {}
        return content

    amount = {"total": 8880, "currency": "CNY"}
    made = told(sdk.pay(description="测试", out_trade_no=NUMBER, amount=amount))
    assert made["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert told(sdk.query(out_trade_no=NUMBER))["trade_state"] == "NOTPAY"
    live.browse("POST", f"/wechatpay/phone/{NUMBER}/pay")
    live.settle()

    notice = sdk.callback(*live.mailbox.arrived[0])
    assert notice["event_type"] == "TRANSACTION.SUCCESS"
    assert notice["resource"]["amount"]["total"] == 8880
    headers, body = live.mailbox.arrived[0]
    assert sdk.callback(headers, body.replace(b"SUCCESS", b"SUCCES5")) is None

    paid = told(sdk.query(out_trade_no=NUMBER))
    assert (paid["trade_state"], paid["mchid"]) == ("SUCCESS", merchant.merchant_id)
    refunded = {"refund": 1000, "total": 8880, "currency": "CNY"}
    asked = sdk.refund("r1", refunded, transaction_id=paid["transaction_id"])
    assert told(asked)["status"] == "PROCESSING"
    live.settle()
    assert told(sdk.query_refund("r1"))["status"] == "SUCCESS"
    refund = sdk.callback(*live.mailbox.arrived[-1])
    assert refund["event_type"] == "REFUND.SUCCESS"
    assert sdk.close("NEVER1")[0] == 404
