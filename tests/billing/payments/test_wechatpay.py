"""WeChat Pay's adapter against the sandbox's WeChat Pay, over real HTTP: the life of an order."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.billing.payments.conftest import FEN, order_of, refund_of, wechatpay_account
from tests.support.fake_clock import FakeClock
from tests.support.provider_server import ProviderServer
from whalefall.base.money import Currency
from whalefall.billing.payments.base import (
    EventKind,
    NoticeAnswer,
    PaymentOrder,
    ProviderError,
    ProviderEvent,
    ProviderRefusedError,
    RefundState,
)
from whalefall.billing.payments.wechatpay import WechatPay
from whalefall.sandbox.merchants import WechatPayMerchant
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.wechatpay import WechatPayParty

Halves = tuple[WechatPayParty, WechatPayMerchant]


def listen(server: ProviderServer, wechatpay: WechatPay) -> list[ProviderEvent]:
    events: list[ProviderEvent] = []

    def receive(headers: Mapping[str, str], body: bytes) -> NoticeAnswer:
        events.append(wechatpay.read_notice(headers, body))
        return wechatpay.answer_ok

    server.mailbox.receive = receive
    return events


def pay(server: ProviderServer, wechatpay: WechatPay, order: PaymentOrder) -> ProviderEvent:
    """With the phone; what the notice says."""
    events = listen(server, wechatpay)
    code = wechatpay.create(order).qr
    page = server.browse("GET", "/wechatpay/phone?code=" + code.replace("?", "%3F"))
    assert order.subject.replace("&", "&amp;") in page.text
    [waiting] = [each for each in server.wechatpay.books.orders.values() if each.code_url == code]
    server.browse("POST", f"/wechatpay/phone/{waiting.out_trade_no}/pay")
    server.settle()
    [event] = events
    return event


def test_payer_scans_the_code_and_the_notice_says_so(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    order = order_of(8880, clock, server.url)
    assert wechatpay.query(order.top_up_id, "") is None
    assert wechatpay.create(order).qr.startswith("weixin://wxpay/bizpayurl?pr=")
    assert wechatpay.query(order.top_up_id, "") is None
    event = pay(server, wechatpay, order)
    assert (event.kind, event.top_up_id) == (EventKind.PAID, order.top_up_id)
    assert (event.currency, event.amount_nanos) == (Currency.CNY, 8880 * FEN)
    assert wechatpay.query(order.top_up_id, "") == event, "asked or told, it is the same event"


def test_notice_is_repeated_until_it_is_taken(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    wechatpay.create(order_of(100, clock, server.url))
    [order] = server.wechatpay.books.orders.values()
    seen = []

    def receive(headers: Mapping[str, str], body: bytes) -> NoticeAnswer:
        seen.append(wechatpay.read_notice(headers, body).event_id)
        return wechatpay.answer_failed if len(seen) < 3 else wechatpay.answer_ok

    server.mailbox.receive = receive
    server.browse("POST", f"/wechatpay/phone/{order.out_trade_no}/pay")
    server.settle()
    assert len(seen) == 3
    assert len(set(seen)) == 1
    bodies = {body for _, body in server.mailbox.arrived}
    assert len(bodies) == 3, "every try is encrypted anew, so that bytes alone tell nothing"


def test_order_is_refused_when_the_same_number_means_something_else(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    order = order_of(100, clock, server.url)
    code = wechatpay.create(order).qr
    assert wechatpay.create(order).qr == code
    with pytest.raises(ProviderRefusedError, match="OUT_TRADE_NO_USED"):
        wechatpay.create(replace(order, amount_nanos=200 * FEN))


def test_closed_order_cannot_be_paid_and_a_paid_one_not_closed(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    unknown, opened, paid = (order_of(100, clock, server.url) for _ in range(3))
    wechatpay.close(unknown.top_up_id, "")
    wechatpay.create(opened)
    [order] = server.wechatpay.books.orders.values()
    wechatpay.close(opened.top_up_id, "")
    wechatpay.close(opened.top_up_id, "")
    answer = server.browse("POST", f"/wechatpay/phone/{order.out_trade_no}/pay")
    assert "订单已关闭" in answer.text
    pay(server, wechatpay, paid)
    with pytest.raises(ProviderRefusedError, match="just paid"):
        wechatpay.close(paid.top_up_id, "")


def test_order_that_expired_cannot_be_paid(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    order = order_of(100, clock, server.url)
    wechatpay.create(order)
    [waiting] = server.wechatpay.books.orders.values()
    clock.advance(31 * 60)
    server.browse("POST", f"/wechatpay/phone/{waiting.out_trade_no}/pay")
    assert wechatpay.query(order.top_up_id, "") is None
    assert waiting.paid_at is None


def test_refunds_in_parts_happen_once_each_and_never_beyond_what_was_paid(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    paid = pay(server, wechatpay, order)
    events = listen(server, wechatpay)
    first = refund_of(order, paid.provider_reference, 400)
    assert wechatpay.query_refund(first) is None
    assert wechatpay.refund(first).state is RefundState.PENDING, "WeChat Pay takes it first"
    server.settle()
    assert wechatpay.refund(first).state is RefundState.DONE, "asked again, it is still the one"
    [event] = events
    assert (event.kind, event.refund_id) == (EventKind.REFUNDED, first.refund_id)
    assert event.amount_nanos == 400 * FEN
    too_much = wechatpay.refund(refund_of(order, paid.provider_reference, 601))
    assert too_much.state is RefundState.FAILED
    assert "INVALID_REQUEST" in too_much.reason
    wechatpay.refund(refund_of(order, paid.provider_reference, 600))
    server.settle()
    [order_there] = server.wechatpay.books.orders.values()
    assert (order_there.promised_fen, order_there.state) == (1000, "REFUND")
    told = wechatpay.query(order.top_up_id, "")
    assert told is not None, "paid it was, whatever was given back since"
    assert told.event_id == paid.event_id


@pytest.mark.parametrize(
    ("course", "state", "kind"),
    [
        (RefundCourse.LATE, RefundState.DONE, EventKind.REFUNDED),
        (RefundCourse.FAILS_LATE, RefundState.FAILED, EventKind.REFUND_FAILED),
    ],
)
def test_refund_that_ends_late_is_told_and_found(
    server: ProviderServer,
    wechatpay: WechatPay,
    clock: FakeClock,
    course: RefundCourse,
    state: RefundState,
    kind: EventKind,
) -> None:
    order = order_of(1000, clock, server.url)
    paid = pay(server, wechatpay, order)
    events = listen(server, wechatpay)
    server.wechatpay.books.refund_course = course
    refund = refund_of(order, paid.provider_reference, 1000)
    assert wechatpay.refund(refund).state is RefundState.PENDING
    pending = wechatpay.query_refund(refund)
    assert pending is not None
    assert pending.state is RefundState.PENDING
    server.hurry()
    found = wechatpay.query_refund(refund)
    assert found is not None
    assert found.state is state
    assert [event.kind for event in events] == [kind]


def test_refund_without_funds_may_be_tried_again_and_a_final_no_may_not(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    paid = pay(server, wechatpay, order)
    refund = refund_of(order, paid.provider_reference, 1000)
    server.wechatpay.books.refund_course = RefundCourse.NO_FUNDS
    with pytest.raises(ProviderError, match="NOT_ENOUGH"):
        wechatpay.refund(refund)
    server.wechatpay.books.refund_course = RefundCourse.REFUSED
    assert wechatpay.refund(refund).state is RefundState.FAILED


def test_statement_lists_what_happened_on_that_day(
    server: ProviderServer, wechatpay: WechatPay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    paid = pay(server, wechatpay, order)
    refund = refund_of(order, paid.provider_reference, 250)
    wechatpay.refund(refund)
    server.settle()
    clock.advance(21 * 3600)
    with pytest.raises(ProviderError, match="not ready"):
        wechatpay.statement(date(2026, 11, 27))
    clock.advance(2 * 3600)
    lines = wechatpay.statement(date(2026, 11, 27))
    assert [(line.kind, line.amount_nanos) for line in lines] == [
        (EventKind.PAID, 1000 * FEN),
        (EventKind.REFUNDED, 250 * FEN),
    ]
    assert {line.top_up_id for line in lines} == {order.top_up_id}
    assert {line.provider_reference for line in lines} == {paid.provider_reference}
    assert [line.refund_id for line in lines] == ["", refund.refund_id]
    assert wechatpay.statement(date(2026, 11, 26)) == ()


def stranger(halves: Halves, key: RSAPrivateKey) -> WechatPayMerchant:
    return replace(halves[1], merchant_private_key=key)


@pytest.mark.parametrize(
    "change",
    [
        {"merchant_id": "1999999999"},
        {"merchant_serial": "00" * 20},
    ],
)
def test_wrong_credentials_are_told_and_nothing_follows_from_them(
    wechatpay_halves: Halves,
    server: ProviderServer,
    clock: FakeClock,
    change: dict[str, Any],
) -> None:
    account = replace(wechatpay_account(wechatpay_halves[1], server.url), **change)
    with pytest.raises(ProviderError, match="401, SIGN_ERROR"):
        WechatPay(account, clock).create(order_of(100, clock, server.url))
    assert not server.wechatpay.books.orders


def test_request_signed_with_another_key_is_refused(
    wechatpay_halves: Halves,
    server: ProviderServer,
    clock: FakeClock,
    stranger_key: RSAPrivateKey,
) -> None:
    account = wechatpay_account(stranger(wechatpay_halves, stranger_key), server.url)
    with pytest.raises(ProviderError, match="401, SIGN_ERROR"):
        WechatPay(account, clock).create(order_of(100, clock, server.url))


def test_reply_signed_with_another_key_is_not_believed(
    wechatpay_halves: Halves,
    server: ProviderServer,
    clock: FakeClock,
    stranger_key: RSAPrivateKey,
) -> None:
    account = wechatpay_account(wechatpay_halves[1], server.url)
    name = wechatpay_halves[1].public_key_id
    deceived = replace(account, platform_keys={name: stranger_key.public_key()})
    with pytest.raises(ProviderError, match="not signed by WeChat Pay"):
        WechatPay(deceived, clock).create(order_of(100, clock, server.url))
    unknown = replace(account, platform_keys={"OTHER": wechatpay_halves[1].public_key})
    with pytest.raises(ProviderError, match="not configured"):
        WechatPay(unknown, clock).create(order_of(100, clock, server.url))


def test_wechatpay_that_cannot_be_reached_is_an_error_to_try_again(
    wechatpay_halves: Halves, clock: FakeClock
) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers here
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ProviderError, match="cannot be reached"):
            WechatPay(wechatpay_account(wechatpay_halves[1], url), clock).query(
                f"topup_{'1' * 32}", ""
            )
