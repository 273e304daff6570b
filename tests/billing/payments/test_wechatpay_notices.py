"""Who may tell the platform that WeChat Pay was paid: WeChat Pay, about our money, just now."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.billing.payments.conftest import FEN, wechatpay_account
from tests.support.fake_clock import FakeClock
from tests.support.provider_notices import (
    Keys,
    wechatpay_body,
    wechatpay_content,
    wechatpay_headers,
    wechatpay_resource,
)
from whalefall.base.money import Currency
from whalefall.billing.payments.base import EventKind, NoticeRefusedError, ProviderEvent
from whalefall.billing.payments.wechatpay import WechatPay
from whalefall.sandbox.merchants import WechatPayMerchant
from whalefall.sandbox.wechatpay import WechatPayParty

Halves = tuple[WechatPayParty, WechatPayMerchant]
NUMBER = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def adapter(wechatpay_halves: Halves) -> WechatPay:
    return WechatPay(wechatpay_account(wechatpay_halves[1]), FakeClock(NOW))


@pytest.fixture(scope="session")
def keys(wechatpay_halves: Halves) -> Keys:
    party = wechatpay_halves[0]
    return Keys(party.platform_private_key, party.public_key_id, party.api_v3_key)


@pytest.fixture(scope="session")
def content(wechatpay_halves: Halves) -> dict[str, Any]:
    return wechatpay_content(wechatpay_halves[0].app_id, wechatpay_halves[0].merchant_id, NUMBER)


def told(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], event: str = "TRANSACTION.SUCCESS"
) -> ProviderEvent:
    """`content`, encrypted and signed as it should be."""
    body = wechatpay_body(wechatpay_resource(content, keys), event)
    return adapter.read_notice(wechatpay_headers(body, keys, NOW), body)


def test_genuine_notice_is_a_payment(
    adapter: WechatPay, keys: Keys, content: dict[str, Any]
) -> None:
    event = told(adapter, keys, content)
    assert event.kind is EventKind.PAID
    assert event.top_up_id == f"topup_{NUMBER}"
    assert (event.currency, event.amount_nanos) == (Currency.CNY, 8880 * FEN)
    assert told(adapter, keys, content) == event


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mchid": "1900000001"}, "another merchant"),
        ({"mchid": None}, "another merchant"),
        ({"appid": "wx0000000000000001"}, "another app"),
        ({"amount": {"total": 0, "currency": "CNY"}}, "documented form"),
        ({"amount": {"total": -8880, "currency": "CNY"}}, "documented form"),
        ({"amount": {"total": 88.8, "currency": "CNY"}}, "documented form"),
        ({"amount": {"total": "8880", "currency": "CNY"}}, "documented form"),
        ({"amount": {"total": True, "currency": "CNY"}}, "documented form"),
        ({"amount": {"currency": "CNY"}}, "documented form"),
        ({"amount": {"total": 8880, "currency": "EUR"}}, "documented form"),
        ({"amount": None}, "documented form"),
    ],
)
def test_notice_that_wechatpay_signed_about_something_else_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(NoticeRefusedError, match=why):
        told(adapter, keys, {**content, **changes})


@pytest.mark.parametrize("name", ["appid", "mchid", "out_trade_no", "transaction_id", "amount"])
def test_notice_of_a_payment_that_lacks_something_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], name: str
) -> None:
    with pytest.raises(NoticeRefusedError):
        told(adapter, keys, {key: value for key, value in content.items() if key != name})


def test_another_currency_and_another_amount_are_passed_on_for_what_they_are(
    adapter: WechatPay, keys: Keys, content: dict[str, Any]
) -> None:
    event = told(adapter, keys, {**content, "amount": {"total": 1, "currency": "USD"}})
    assert (event.currency, event.amount_nanos) == (Currency.USD, FEN)


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 3_000_000_000])
def test_stale_notice_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], seconds: int
) -> None:
    """Signed as it should be, for another time: a replay."""
    body = wechatpay_body(wechatpay_resource(content, keys))
    timestamp = str(int(NOW.timestamp()) + seconds)
    headers = wechatpay_headers(body, keys, NOW, timestamp=timestamp)
    with pytest.raises(NoticeRefusedError, match="just now"):
        adapter.read_notice(headers, body)


@pytest.mark.parametrize(
    "timestamp", ["", "now", "1e9", "-1", "1764216000.0", " 1764216000", "１７６４２１６０００"]
)
def test_timestamp_that_is_none_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], timestamp: str
) -> None:
    body = wechatpay_body(wechatpay_resource(content, keys))
    headers = wechatpay_headers(body, keys, NOW, timestamp=timestamp)
    with pytest.raises(NoticeRefusedError, match="when it was signed"):
        adapter.read_notice(headers, body)


@pytest.mark.parametrize("name", ["timestamp", "nonce", "serial", "signature"])
@pytest.mark.parametrize("value", [None, "", "0", "WECHATPAY/SIGNTEST/AAAA"])
def test_missing_empty_or_odd_header_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], name: str, value: str | None
) -> None:
    """WeChat Pay itself sends wrong signatures now and then, to see that they are refused."""
    body = wechatpay_body(wechatpay_resource(content, keys))
    headers = wechatpay_headers(body, keys, NOW)
    if value is None:
        del headers[f"wechatpay-{name}"]
    else:
        headers[f"wechatpay-{name}"] = value
    with pytest.raises(NoticeRefusedError):
        adapter.read_notice(headers, body)


def test_other_kind_of_signature_and_other_keys_are_refused(
    adapter: WechatPay,
    wechatpay_halves: Halves,
    keys: Keys,
    content: dict[str, Any],
    stranger_key: RSAPrivateKey,
) -> None:
    body = wechatpay_body(wechatpay_resource(content, keys))
    own = Keys(wechatpay_halves[1].merchant_private_key, keys.serial, keys.api_v3)
    strange = Keys(stranger_key, keys.serial, keys.api_v3)
    for headers in (
        wechatpay_headers(body, own, NOW),
        wechatpay_headers(body, strange, NOW),
        {**wechatpay_headers(body, keys, NOW), "wechatpay-signature-type": "WECHATPAY2-SM2"},
    ):
        with pytest.raises(NoticeRefusedError, match="signed"):
            adapter.read_notice(headers, body)


def test_notice_encrypted_with_another_key_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any]
) -> None:
    other = Keys(keys.platform, keys.serial, b"0" * 32)
    body = wechatpay_body(wechatpay_resource(content, other))
    with pytest.raises(NoticeRefusedError, match="decrypted"):
        adapter.read_notice(wechatpay_headers(body, keys, NOW), body)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_resource_altered_anywhere_is_refused_even_when_signed(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], data: st.DataObject
) -> None:
    """One bit of the ciphertext or of its tag, the nonce, or the associated data."""
    resource = wechatpay_resource(content, keys)
    name = data.draw(st.sampled_from(["ciphertext", "nonce", "associated_data", "algorithm"]))
    if name == "ciphertext":
        sealed = bytearray(base64.b64decode(resource[name]))
        place = data.draw(st.integers(0, len(sealed) - 1) | st.integers(-16, -1))
        sealed[place] ^= 1 << data.draw(st.integers(0, 7))
        resource[name] = base64.b64encode(sealed).decode()
    else:
        genuine = resource[name]
        resource[name] = data.draw(st.text(max_size=40).filter(lambda text: text != genuine))
    body = wechatpay_body(resource)
    with pytest.raises(NoticeRefusedError, match=r"decrypted|another way"):
        adapter.read_notice(wechatpay_headers(body, keys, NOW), body)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_byte_changed_after_signing_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], data: st.DataObject
) -> None:
    body = wechatpay_body(wechatpay_resource(content, keys))
    headers = wechatpay_headers(body, keys, NOW)
    place, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(body)
    changed[place] ^= 1 << bit
    with pytest.raises(NoticeRefusedError, match="not signed"):
        adapter.read_notice(headers, bytes(changed))


def test_any_field_of_the_notice_changed_after_signing_is_refused(
    adapter: WechatPay, keys: Keys, content: dict[str, Any]
) -> None:
    body = wechatpay_body(wechatpay_resource(content, keys))
    headers = wechatpay_headers(body, keys, NOW)
    for name in json.loads(body):
        values: tuple[Any, ...] = (None, "", "REFUND.SUCCESS", {}, 0)
        for value in values:
            changed = wechatpay_body(wechatpay_resource(content, keys), **{name: value})
            with pytest.raises(NoticeRefusedError, match="not signed"):
                adapter.read_notice(headers, changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": None},
        {"resource": "text"},
        {"resource": {}},
        {"resource_type": "plain-resource"},
    ],
)
def test_notice_with_nothing_encrypted_in_it_is_refused_even_when_signed(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], changes: dict[str, object]
) -> None:
    body = wechatpay_body(wechatpay_resource(content, keys), **changes)
    with pytest.raises(NoticeRefusedError):
        adapter.read_notice(wechatpay_headers(body, keys, NOW), body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("SUCCESS", EventKind.REFUNDED),
        ("CLOSED", EventKind.REFUND_FAILED),
        ("ABNORMAL", EventKind.OTHER),
    ],
)
def test_refund_is_told_with_its_amount_and_its_end(
    adapter: WechatPay, keys: Keys, content: dict[str, Any], status: str, kind: EventKind
) -> None:
    refund = {
        "mchid": content["mchid"],
        "out_trade_no": NUMBER,
        "transaction_id": content["transaction_id"],
        "out_refund_no": "refund_1",
        "refund_id": "50300000000000000000000000000001",
        "refund_status": status,
        "user_received_account": "招商银行信用卡0403",
        "amount": {"total": 8880, "refund": 880, "payer_total": 8880, "payer_refund": 880},
    }
    event = told(adapter, keys, refund, f"REFUND.{status}")
    assert (event.kind, event.refund_id) == (kind, "refund_1")
    assert event.amount_nanos == 880 * FEN
    with pytest.raises(NoticeRefusedError):
        told(adapter, keys, {**refund, "mchid": "1900000001"}, f"REFUND.{status}")


def test_payment_of_a_number_that_is_none_of_ours_names_no_order(
    adapter: WechatPay, keys: Keys, content: dict[str, Any]
) -> None:
    assert told(adapter, keys, {**content, "out_trade_no": "shop-1"}).top_up_id == ""


def test_state_that_is_no_payment_changes_nothing(
    adapter: WechatPay, keys: Keys, content: dict[str, Any]
) -> None:
    for state in ("NOTPAY", "CLOSED", "PAYERROR", "USERPAYING"):
        assert told(adapter, keys, {**content, "trade_state": state}).kind is EventKind.OTHER
