"""Notices as Alipay and WeChat Pay write them, built from their documents and with nothing of the
product's own protocol code, so that every part of one can be changed and signed by anybody."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

BEIJING = timezone(timedelta(hours=8))


def signature_of(key: RSAPrivateKey, text: str, algorithm: HashAlgorithm | None = None) -> str:
    signed = key.sign(text.encode(), PKCS1v15(), algorithm or SHA256())
    return base64.b64encode(signed).decode()


def alipay_fields(app_id: str, seller_id: str, number: str, now: datetime) -> dict[str, str]:
    """A payment of 88.80 yuan, with the fields of the documents' example."""
    return {
        "gmt_create": "2026-11-27 11:58:00",
        "charset": "utf-8",
        "seller_email": "seller@example.com",
        "subject": "充值 & top-up",
        "buyer_id": "2088102116773037",
        "invoice_amount": "88.80",
        "notify_id": "4a91b7a78a503640467525113fb7d8bg8e",
        "fund_bill_list": '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]',
        "notify_type": "trade_status_sync",
        "trade_status": "TRADE_SUCCESS",
        "receipt_amount": "88.80",
        "app_id": app_id,
        "buyer_pay_amount": "88.80",
        "seller_id": seller_id,
        "gmt_payment": "2026-11-27 11:58:30",
        "notify_time": now.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
        "version": "1.0",
        "out_trade_no": number,
        "total_amount": "88.80",
        "trade_no": "2026112722001473031000000001",
        "auth_app_id": app_id,
        "buyer_logon_id": "159****5620",
        "point_amount": "0.00",
    }


def alipay_body(
    fields: Mapping[str, str], key: RSAPrivateKey, algorithm: HashAlgorithm | None = None
) -> bytes:
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    signature = signature_of(key, text, algorithm)
    return urlencode({**fields, "sign_type": "RSA2", "sign": signature}).encode()


@dataclass(frozen=True)
class Keys:
    """What WeChat Pay needs to write a notice."""

    platform: RSAPrivateKey
    serial: str
    api_v3: bytes


def wechatpay_content(app_id: str, merchant_id: str, number: str) -> dict[str, Any]:
    """What is encrypted in a notice of a payment of 88.80 yuan."""
    return {
        "mchid": merchant_id,
        "appid": app_id,
        "out_trade_no": number,
        "transaction_id": "4200002026112700000000000001",
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "CMC",
        "attach": "",
        "success_time": "2026-11-27T11:58:30+08:00",
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {
            "total": 8880,
            "payer_total": 8880,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def wechatpay_resource(
    content: Mapping[str, Any], keys: Keys, kind: str = "transaction"
) -> dict[str, str]:
    nonce = "fdasflkja484"
    sealed = AESGCM(keys.api_v3).encrypt(
        nonce.encode(), json.dumps(content).encode(), kind.encode()
    )
    return {
        "original_type": kind,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": kind,
        "nonce": nonce,
    }


def wechatpay_body(
    resource: Mapping[str, Any], event_type: str = "TRANSACTION.SUCCESS", /, **changes: object
) -> bytes:
    notice = {
        "id": "EV-2018022511223320873",
        "create_time": "2026-11-27T11:58:31+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": "支付成功",
        "resource": resource,
        **changes,
    }
    return json.dumps(notice, ensure_ascii=False).encode()


def wechatpay_headers(body: bytes, keys: Keys, now: datetime, **changes: str) -> dict[str, str]:
    """`changes` are made before signing where they are signed, names without `wechatpay-`."""
    timestamp = changes.pop("timestamp", str(int(now.timestamp())))
    nonce = changes.pop("nonce", "EcZVBWCRLgCAPVMAdKJQTnFrbdaIUVvZ")
    text = f"{timestamp}\n{nonce}\n{body.decode()}\n"
    return {
        "wechatpay-timestamp": timestamp,
        "wechatpay-nonce": nonce,
        "wechatpay-serial": keys.serial,
        "wechatpay-signature": signature_of(keys.platform, text),
        "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        **{f"wechatpay-{name}": value for name, value in changes.items()},
    }


WEAK = SHA1()
