"""Alipay's adapter against the sandbox's Alipay, over real HTTP: the life of an order."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.billing.payments.conftest import FEN, alipay_account, order_of, refund_of
from tests.support.fake_clock import FakeClock
from tests.support.provider_server import ProviderServer
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.base import (
    EventKind,
    NoticeAnswer,
    PaymentOrder,
    ProviderError,
    ProviderEvent,
    ProviderRefusedError,
    RefundState,
)
from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.merchants import AlipayMerchant
from whalefall.sandbox.refund_course import RefundCourse


def pay(server: ProviderServer, alipay: Alipay, order: PaymentOrder) -> list[ProviderEvent]:
    """Through the browser; what the notices say, in order."""
    events: list[ProviderEvent] = []

    def receive(headers: object, body: bytes) -> NoticeAnswer:
        assert isinstance(headers, dict)
        events.append(alipay.read_notice(headers, body))
        return alipay.answer_ok

    server.mailbox.receive = receive
    page = server.browse("GET", alipay.create(order).url)
    assert "确认付款" in page.text
    server.browse("POST", f"{page.url.path}/pay")
    server.settle()
    return events


def test_payer_pays_on_alipays_page_and_the_notice_says_so(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(8880, clock, server.url)
    assert alipay.query(order.top_up_id, "") is None, "nobody has opened the page yet"
    [event] = pay(server, alipay, order)
    assert (event.kind, event.top_up_id) == (EventKind.PAID, order.top_up_id)
    assert (event.currency, event.amount_nanos) == (Currency.CNY, 8880 * FEN)
    assert event.provider_reference.startswith("20261127")
    assert alipay.query(order.top_up_id, "") == event, "asked or told, it is the same event"


def test_browser_comes_back_with_the_way_it_was_sent_from(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(100, clock, server.url)
    page = server.browse("GET", alipay.create(order).url)
    back = server.browse("POST", f"{page.url.path}/pay")
    assert parse_qs(back.url.query.decode())["top_up"] == ["1"]
    cancelled = order_of(100, clock, server.url)
    page = server.browse("GET", alipay.create(cancelled).url)
    assert server.browse("POST", f"{page.url.path}/cancel").url.path == "/back"
    assert alipay.query(cancelled.top_up_id, "") is None


def test_page_carries_the_documented_fields(alipay: Alipay, clock: FakeClock) -> None:
    order = order_of(1, clock)
    fields = {k: v for k, [v] in parse_qs(urlsplit(alipay.create(order).url).query).items()}
    assert fields["method"] == "alipay.trade.page.pay"
    assert fields["timestamp"] == "2026-11-27 12:00:00", "Beijing's hour"
    assert '"total_amount":"0.01"' in fields["biz_content"]
    assert '"subject":"Whalefall 充值   top-up"' in fields["biz_content"]
    assert '"time_expire":"2026-11-27 12:30:00"' in fields["biz_content"]


def test_notice_is_repeated_until_it_is_taken(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(100, clock, server.url)
    answers = [
        NoticeAnswer(500, "text/plain", b"success, almost"),
        NoticeAnswer(200, "text/plain", b"<p>success</p>"),
        alipay.answer_ok,
    ]
    seen = []

    def receive(headers: object, body: bytes) -> NoticeAnswer:
        assert isinstance(headers, dict)
        seen.append(alipay.read_notice(headers, body).event_id)
        return answers[len(seen) - 1]

    server.mailbox.receive = receive
    page = server.browse("GET", alipay.create(order).url)
    server.browse("POST", f"{page.url.path}/pay")
    server.settle()
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert (server.courier.num_taken, server.courier.num_refused) == (1, 2)


def test_page_that_somebody_changed_on_the_way_is_refused(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    url = alipay.create(order_of(8880, clock, server.url)).url
    assert "invalid-signature" in server.browse("GET", url.replace("88.80", "00.80")).text
    assert not server.alipay.books.trades


def test_closed_order_cannot_be_paid_and_a_paid_one_not_closed(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    unseen, opened, paid = (order_of(100, clock, server.url) for _ in range(3))
    alipay.close(unseen.top_up_id, "")
    page = server.browse("GET", alipay.create(opened).url)
    alipay.close(opened.top_up_id, "")
    alipay.close(opened.top_up_id, "")
    assert "TRADE_HAS_CLOSE" in server.browse("POST", f"{page.url.path}/pay").text
    pay(server, alipay, paid)
    with pytest.raises(ProviderRefusedError, match="just paid"):
        alipay.close(paid.top_up_id, "")


def test_order_that_expired_cannot_be_paid(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(100, clock, server.url)
    page = server.browse("GET", alipay.create(order).url)
    clock.advance(31 * 60)
    assert "TRADE_HAS_CLOSE" in server.browse("POST", f"{page.url.path}/pay").text
    assert alipay.query(order.top_up_id, "") is None


def test_refunds_in_parts_happen_once_each_and_never_beyond_what_was_paid(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    [paid] = pay(server, alipay, order)
    first = refund_of(order, paid.provider_reference, 400)
    assert alipay.query_refund(first) is None
    assert alipay.refund(first).state is RefundState.DONE
    assert alipay.refund(first).state is RefundState.DONE, "asked again, it is still the one"
    too_much = refund_of(order, paid.provider_reference, 601)
    refused = alipay.refund(too_much)
    assert refused.state is RefundState.FAILED
    assert "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL" in refused.reason
    assert alipay.refund(refund_of(order, paid.provider_reference, 600)).state is RefundState.DONE
    [trade] = server.alipay.books.trades.values()
    assert (trade.refunded_fen, trade.status) == (1000, "TRADE_CLOSED")
    server.settle()
    told = [alipay.read_notice(headers, body) for headers, body in server.mailbox.arrived[1:]]
    assert [event.kind for event in told] == [EventKind.REFUNDED, EventKind.REFUNDED]
    assert told[0].refund_id == first.refund_id


def test_late_refund_is_pending_until_it_is_found_done(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    [paid] = pay(server, alipay, order)
    server.alipay.books.refund_course = RefundCourse.LATE
    refund = refund_of(order, paid.provider_reference, 1000)
    assert alipay.refund(refund).state is RefundState.PENDING
    assert alipay.query_refund(refund) is None
    server.hurry()
    answer = alipay.query_refund(refund)
    assert answer is not None
    assert answer.state is RefundState.DONE


def test_refund_without_funds_may_be_tried_again_and_a_final_no_may_not(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    [paid] = pay(server, alipay, order)
    refund = refund_of(order, paid.provider_reference, 1000)
    server.alipay.books.refund_course = RefundCourse.NO_FUNDS
    with pytest.raises(ProviderError, match="SELLER_BALANCE_NOT_ENOUGH"):
        alipay.refund(refund)
    server.alipay.books.refund_course = RefundCourse.REFUSED
    assert alipay.refund(refund).state is RefundState.FAILED
    server.alipay.books.refund_course = RefundCourse.AT_ONCE
    assert alipay.refund(refund).state is RefundState.DONE


def test_statement_lists_what_happened_on_that_day(
    server: ProviderServer, alipay: Alipay, clock: FakeClock
) -> None:
    order = order_of(1000, clock, server.url)
    [paid] = pay(server, alipay, order)
    refund = refund_of(order, paid.provider_reference, 250)
    alipay.refund(refund)
    clock.advance(21 * 3600)  # nine in the morning in Beijing, the day after
    with pytest.raises(ProviderError, match="not ready"):
        alipay.statement(date(2026, 11, 27))
    clock.advance(2 * 3600)
    lines = alipay.statement(date(2026, 11, 27))
    assert [(line.kind, line.amount_nanos) for line in lines] == [
        (EventKind.PAID, 1000 * FEN),
        (EventKind.REFUNDED, 250 * FEN),
    ]
    assert {line.top_up_id for line in lines} == {order.top_up_id}
    assert {line.provider_reference for line in lines} == {paid.provider_reference}
    assert [line.refund_id for line in lines] == ["", refund.refund_id]
    assert alipay.statement(date(2026, 11, 26)) == ()


def test_alipay_that_cannot_be_reached_is_an_error_to_try_again(
    alipay_halves: tuple[AlipayParty, AlipayMerchant], clock: FakeClock
) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers here
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        alipay = Alipay(alipay_account(alipay_halves[1], url), clock)
        with pytest.raises(ProviderError, match="cannot be reached"):
            alipay.query(f"topup_{'1' * 32}", "")


def test_amount_finer_than_a_fen_is_refused(alipay: Alipay, clock: FakeClock) -> None:
    order = order_of(1, clock)
    with pytest.raises(InvalidRequestError, match="whole number of fen"):
        alipay.create(replace(order, amount_nanos=FEN + 1))
