"""Who may tell the platform that Alipay was paid: Alipay, about our app and our money, lately."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.billing.payments.conftest import FEN, alipay_account
from tests.support.fake_clock import FakeClock
from tests.support.provider_notices import WEAK, alipay_body, alipay_fields
from whalefall.base.money import Currency
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.base import EventKind, NoticeRefusedError
from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.merchants import AlipayMerchant

Halves = tuple[AlipayParty, AlipayMerchant]
NUMBER = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def adapter(alipay_halves: Halves) -> Alipay:
    return Alipay(alipay_account(alipay_halves[1]), FakeClock(NOW))


@pytest.fixture(scope="session")
def fields(alipay_halves: Halves) -> dict[str, str]:
    return alipay_fields(alipay_halves[0].app_id, alipay_halves[0].seller_id, NUMBER, NOW)


@pytest.fixture(scope="session")
def key(alipay_halves: Halves) -> RSAPrivateKey:
    return alipay_halves[0].alipay_private_key


def test_genuine_notice_is_a_payment(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    event = adapter.read_notice({}, alipay_body(fields, key))
    assert event.kind is EventKind.PAID
    assert event.top_up_id == f"topup_{NUMBER}"
    assert (event.currency, event.amount_nanos) == (Currency.CNY, 8880 * FEN)
    assert adapter.read_notice({}, alipay_body(fields, key)) == event


def test_finished_trade_is_the_same_payment_and_a_later_notice_too(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    first = adapter.read_notice({}, alipay_body(fields, key))
    later = {**fields, "trade_status": "TRADE_FINISHED", "notify_id": "another"}
    assert adapter.read_notice({}, alipay_body(later, key)) == first


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"app_id": "2021000000000001"}, "another app"),
        ({"app_id": ""}, "another app"),
        ({"seller_id": "2088000000000009"}, "another seller"),
        ({"seller_id": ""}, "another seller"),
        ({"notify_time": "2026-11-25 11:59:59"}, "too old"),
        ({"notify_time": "2026-11-27 12:10:01"}, "from the future"),
        ({"notify_time": ""}, "when it was sent"),
        ({"trade_no": ""}, "which trade"),
        ({"total_amount": "-88.80"}, "no amount"),
        ({"total_amount": "0.00"}, "no amount"),
        ({"total_amount": "8.8e1"}, "no amount"),
        ({"total_amount": "88.801"}, "no amount"),
        ({"total_amount": "NaN"}, "no amount"),
        ({"total_amount": "８８.８０"}, "no amount"),
        ({"total_amount": ""}, "no amount"),
        ({"trans_currency": "EUR"}, "no amount of a known currency"),
    ],
)
def test_notice_that_alipay_signed_for_somebody_else_or_long_ago_is_refused(
    adapter: Alipay,
    fields: dict[str, str],
    key: RSAPrivateKey,
    changes: dict[str, str],
    why: str,
) -> None:
    with pytest.raises(NoticeRefusedError, match=why):
        adapter.read_notice({}, alipay_body({**fields, **changes}, key))


def test_another_currency_and_another_amount_are_passed_on_for_what_they_are(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    changed = {**fields, "trans_currency": "USD", "total_amount": "0.01"}
    event = adapter.read_notice({}, alipay_body(changed, key))
    assert (event.currency, event.amount_nanos) == (Currency.USD, FEN)


@pytest.mark.parametrize("signature", ["", "AAAA", "!", "success", "=" * 344])
def test_empty_or_odd_signature_is_refused(
    adapter: Alipay, fields: dict[str, str], signature: str
) -> None:
    body = urlencode({**fields, "sign_type": "RSA2", "sign": signature}).encode()
    with pytest.raises(NoticeRefusedError, match="not signed by Alipay"):
        adapter.read_notice({}, body)


def test_missing_signature_or_kind_of_signature_is_refused(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    signed = dict(parse_qsl(alipay_body(fields, key).decode()))
    for name in ("sign", "sign_type"):
        rest = {key: value for key, value in signed.items() if key != name}
        with pytest.raises(NoticeRefusedError):
            adapter.read_notice({}, urlencode(rest).encode())


def test_weaker_signature_and_other_keys_are_refused(
    adapter: Alipay,
    alipay_halves: Halves,
    fields: dict[str, str],
    key: RSAPrivateKey,
    stranger_key: RSAPrivateKey,
) -> None:
    sha1 = alipay_body(fields, key, WEAK)
    for body in (
        sha1,
        sha1.replace(b"sign_type=RSA2", b"sign_type=RSA"),
        alipay_body(fields, key).replace(b"sign_type=RSA2", b"sign_type=RSA"),
        alipay_body(fields, stranger_key),
        alipay_body(fields, alipay_halves[1].app_private_key),
    ):
        with pytest.raises(NoticeRefusedError, match="signed"):
            adapter.read_notice({}, body)


@pytest.mark.parametrize(
    "body", [b"", b"success", b"{}", b"\xff\xfe", b"a=%ff", b"sign", b"=" * 70_000, b"a=1&" * 101]
)
def test_body_that_is_no_form_is_refused(adapter: Alipay, body: bytes) -> None:
    with pytest.raises(NoticeRefusedError):
        adapter.read_notice({}, body)


def test_field_said_twice_is_refused(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    body = alipay_body(fields, key)
    for extra in (b"&total_amount=88.80", b"&total_amount=8888.80", b"&sign=x"):
        with pytest.raises(NoticeRefusedError, match="twice"):
            adapter.read_notice({}, body + extra)


def test_refund_names_its_id_and_order_of_arrival_does_not_matter(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    """A refund is told with the payment's own state; it is never mistaken for the payment."""
    refund = {"refund_fee": "88.80", "out_biz_no": "refund_1", "gmt_refund": "2026-11-27 11:59:00"}
    for status in ("TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED"):
        body = alipay_body({**fields, **refund, "trade_status": status}, key)
        event = adapter.read_notice({}, body)
        assert (event.kind, event.refund_id) == (EventKind.REFUNDED, "refund_1")


@pytest.mark.parametrize("status", ["WAIT_BUYER_PAY", "TRADE_CLOSED", "TRADE_PENDING", ""])
def test_states_that_are_no_payment_change_nothing(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey, status: str
) -> None:
    event = adapter.read_notice({}, alipay_body({**fields, "trade_status": status}, key))
    assert event.kind is EventKind.OTHER


def test_payment_of_a_number_that_is_none_of_ours_names_no_order(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey
) -> None:
    for number in ("shop-1", NUMBER.upper(), NUMBER + "0", ""):
        body = alipay_body({**fields, "out_trade_no": number}, key)
        assert adapter.read_notice({}, body).top_up_id == ""


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_field_changed_removed_or_added_after_signing_is_refused(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey, data: st.DataObject
) -> None:
    signed = dict(parse_qsl(alipay_body(fields, key).decode(), keep_blank_values=True))
    name = data.draw(st.sampled_from([*signed, "extra", "refund_fee"]))
    characters = st.characters(codec="utf-8")
    value = data.draw(st.none() | st.text(characters, max_size=40))
    changed = {each: text for each, text in signed.items() if each != name or value is not None}
    if value is not None:
        changed[name] = value
    if changed == signed:
        return
    with pytest.raises(NoticeRefusedError):
        adapter.read_notice({}, urlencode(changed).encode())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_changed_byte_makes_another_event(
    adapter: Alipay, fields: dict[str, str], key: RSAPrivateKey, data: st.DataObject
) -> None:
    body = bytearray(alipay_body(fields, key))
    genuine = adapter.read_notice({}, bytes(body))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    try:
        event = adapter.read_notice({}, bytes(body))
    except NoticeRefusedError:
        return
    assert event == genuine, "another spelling of the same form is all that may pass"
