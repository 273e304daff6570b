"""Alipay: payment on Alipay's own page (alipay.trade.page.pay), told by form-encoded notices.

A notice counts when Alipay signed it, it names our app and our seller number, and it is not old.
Names of fields, states and error codes are those of Alipay's open platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import parse_qsl

from whalefall.base.clock import Clock
from whalefall.base.money import Currency
from whalefall.base.signatures import is_signed
from whalefall.billing.payments.alipay_bill import lines_from_zip
from whalefall.billing.payments.alipay_gateway import (
    AlipayAccount,
    AlipayAnswer,
    AlipayGateway,
    beijing_text,
    instant_from_beijing,
    signed_text,
)
from whalefall.billing.payments.base import (
    Checkout,
    EventKind,
    NoticeAnswer,
    NoticeRefusedError,
    PaymentOrder,
    ProviderError,
    ProviderEvent,
    ProviderRefusedError,
    RefundAnswer,
    RefundOrder,
    RefundState,
    StatementLine,
)
from whalefall.billing.payments.beijing import statement_ready_at
from whalefall.billing.payments.exchange import exchange
from whalefall.billing.payments.out_trade_numbers import out_trade_no, top_up_id
from whalefall.billing.payments.yuan import nanos_from_yuan, yuan_from_nanos
from whalefall.billing.top_ups import TopUpSource

NOTICE_AGE_MAX = timedelta(hours=48)
"""Alipay repeats a notice for 25 hours; what is older was kept by somebody."""
CLOCK_SKEW_MAX = timedelta(minutes=10)
NUM_NOTICE_FIELDS_MAX = 100
SUBJECT_LENGTH_MAX = 256
PAID_STATES = ("TRADE_SUCCESS", "TRADE_FINISHED")
"""TRADE_FINISHED: paid, and the time for refunds is over."""
NO_SUCH_TRADE = "ACQ.TRADE_NOT_EXIST"
REFUND_AGAIN_LATER = ("ACQ.SELLER_BALANCE_NOT_ENOUGH", "ACQ.DISCORDANT_REPEAT_REQUEST")
"""Nothing was refunded for now, and somebody has to do something about it; it is not a final no.
The second says that the id was used for another amount, which only a person can untangle."""


class Alipay:
    """A PaymentProvider."""

    source = TopUpSource.ALIPAY
    currencies = frozenset((Currency.CNY,))
    answer_ok = NoticeAnswer(200, "text/plain; charset=utf-8", b"success")
    answer_failed = NoticeAnswer(200, "text/plain; charset=utf-8", b"fail")

    def __init__(self, account: AlipayAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._gateway = AlipayGateway(account, clock)

    def create(self, order: PaymentOrder) -> Checkout:
        """Asks nobody: the order exists at Alipay once the browser is there."""
        assert order.currency in self.currencies
        content = {
            "out_trade_no": out_trade_no(order.top_up_id),
            "total_amount": yuan_from_nanos(order.amount_nanos),
            "subject": _subject(order.subject),
            "product_code": "FAST_INSTANT_TRADE_PAY",
            "time_expire": beijing_text(order.expires_at),
        }
        return Checkout(
            url=self._gateway.page_url(
                "alipay.trade.page.pay",
                content,
                return_url=order.return_url,
                notify_url=order.notify_url,
            )
        )

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:  # noqa: ARG002
        fields = _fields_of(body)
        signature, sign_type = fields.pop("sign", ""), fields.pop("sign_type", "")
        if sign_type != "RSA2":
            raise NoticeRefusedError("the notice is not signed with RSA2")
        if not is_signed(self._account.alipay_public_key, signed_text(fields).encode(), signature):
            raise NoticeRefusedError("the notice is not signed by Alipay")
        self._check_addressee(fields)
        self._check_age(fields)
        return _event_of(fields)

    def _check_addressee(self, fields: Mapping[str, str]) -> None:
        if fields.get("app_id") != self._account.app_id:
            raise NoticeRefusedError("the notice is for another app")
        if fields.get("seller_id") != self._account.seller_id:
            raise NoticeRefusedError("the notice is about another seller's money")

    def _check_age(self, fields: Mapping[str, str]) -> None:
        try:
            sent_at = instant_from_beijing(fields.get("notify_time", ""))
        except ValueError:
            raise NoticeRefusedError("the notice does not say when it was sent") from None
        now = self._clock.now()
        if not now - NOTICE_AGE_MAX <= sent_at <= now + CLOCK_SKEW_MAX:
            raise NoticeRefusedError("the notice is too old, or from the future")

    def query(self, top_up_id: str, reference: str) -> ProviderEvent | None:  # noqa: ARG002
        """A trade that is closed counts as unpaid: either it was, or all was given back."""
        number = out_trade_no(top_up_id)
        answer = self._gateway.call("alipay.trade.query", {"out_trade_no": number})
        if answer.sub_code == NO_SUCH_TRADE:
            return None
        _require_success(answer)
        if answer.text("out_trade_no") != number:
            raise ProviderError("Alipay answered about another order")
        if answer.text("trade_status") not in PAID_STATES:
            return None
        return _paid_event(top_up_id, answer.text("trade_no"), answer.text("total_amount"))

    def close(self, top_up_id: str, reference: str) -> None:
        content = {"out_trade_no": out_trade_no(top_up_id)}
        answer = self._gateway.call("alipay.trade.close", content)
        if answer.is_success or answer.sub_code == NO_SUCH_TRADE:
            return
        # The codes for "closed already" and "paid" are the same, so the trade itself has to say.
        if self.query(top_up_id, reference) is not None:
            raise ProviderRefusedError("the order was just paid")
        if answer.sub_code not in ("ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID"):
            raise ProviderError(f"Alipay does not close the order: {answer.told()}")

    def refund(self, order: RefundOrder) -> RefundAnswer:
        answer = self._gateway.call(
            "alipay.trade.refund",
            {
                **_refunded(order),
                "refund_amount": yuan_from_nanos(order.amount_nanos),
            },
        )
        if answer.is_success and answer.text("fund_change") == "Y":
            return RefundAnswer(RefundState.DONE, answer.text("trade_no"))
        if answer.is_success or answer.is_undecided:
            # Without a movement of funds it was done before, or is not done yet.
            found = None if answer.is_undecided else self.query_refund(order)
            return found or RefundAnswer(RefundState.PENDING, reason=answer.told())
        if answer.fields.get("code") != "40004" or answer.sub_code in REFUND_AGAIN_LATER:
            raise ProviderError(f"Alipay does not refund for now: {answer.told()}")
        return RefundAnswer(RefundState.FAILED, reason=answer.told())

    def query_refund(self, order: RefundOrder) -> RefundAnswer | None:
        """Alipay does not tell a refund that failed from one that it never heard of; one that it
        names without calling it done may still be made."""
        answer = self._gateway.call("alipay.trade.fastpay.refund.query", _refunded(order))
        if answer.sub_code == NO_SUCH_TRADE:
            return None
        _require_success(answer)
        if answer.text("refund_status") != "REFUND_SUCCESS":
            is_known = answer.text("out_request_no") == order.refund_id
            return RefundAnswer(RefundState.PENDING, reason=answer.told()) if is_known else None
        if _nanos(answer.text("refund_amount")) != order.amount_nanos:
            raise ProviderError("Alipay refunded another amount under this id")
        return RefundAnswer(RefundState.DONE, answer.text("trade_no"))

    def statement(self, day: date) -> Sequence[StatementLine]:
        if self._clock.now() < statement_ready_at(day):
            raise ProviderError("Alipay's statement of that day is not ready yet")
        content = {"bill_type": "trade", "bill_date": day.isoformat()}
        answer = self._gateway.call("alipay.data.dataservice.bill.downloadurl.query", content)
        if answer.sub_code == "isp.bill_not_exist":
            return ()
        _require_success(answer)
        reply = exchange("Alipay", "GET", answer.text("bill_download_url"), {})
        try:
            return lines_from_zip(reply.body)
        except ValueError as error:
            raise ProviderError(f"Alipay's statement cannot be read: {error}") from None


def _subject(text: str) -> str:
    """Alipay refuses slashes, equals signs and ampersands in it."""
    plain = "".join(" " if character in "/=&" else character for character in text)
    return plain[:SUBJECT_LENGTH_MAX]


def _refunded(order: RefundOrder) -> dict[str, str]:
    return {
        "out_trade_no": out_trade_no(order.top_up_id),
        "trade_no": order.provider_reference,
        "out_request_no": order.refund_id,
    }


def _require_success(answer: AlipayAnswer) -> None:
    if not answer.is_success:
        raise ProviderError(f"Alipay answered: {answer.told()}")


def _fields_of(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=NUM_NOTICE_FIELDS_MAX,
        )
    except ValueError:
        raise NoticeRefusedError("the notice is not a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NoticeRefusedError("the notice says the same field twice")
    return fields


def _event_of(fields: Mapping[str, str]) -> ProviderEvent:
    number, trade_no = fields.get("out_trade_no", ""), fields.get("trade_no", "")
    if not trade_no:
        raise NoticeRefusedError("the notice does not say which trade it is about")
    order = top_up_id(number)
    if fields.get("gmt_refund") or fields.get("refund_fee"):
        return _refunded_event(order, trade_no, fields)
    if fields.get("trade_status") in PAID_STATES:
        try:
            paid = _paid_event(order, trade_no, fields.get("total_amount", ""))
            # Only trades across a border name a currency; whether it fits is for the cashier.
            return replace(paid, currency=Currency(fields.get("trans_currency", "CNY")))
        except (ProviderError, ValueError):
            raise NoticeRefusedError("the notice names no amount of a known currency") from None
    return ProviderEvent(
        source=TopUpSource.ALIPAY,
        event_id=f"other:{trade_no}:{fields.get('notify_id', '')}",
        kind=EventKind.OTHER,
        top_up_id=order,
        provider_reference=trade_no,
        currency=None,
        amount_nanos=0,
    )


def _paid_event(order: str, trade_no: str, total_amount: str) -> ProviderEvent:
    return ProviderEvent(
        source=TopUpSource.ALIPAY,
        event_id=f"paid:{trade_no}",
        kind=EventKind.PAID,
        top_up_id=order,
        provider_reference=trade_no,
        currency=Currency.CNY,
        amount_nanos=_nanos(total_amount),
    )


def _refunded_event(order: str, trade_no: str, fields: Mapping[str, str]) -> ProviderEvent:
    """The notice gives the sum of all refunds of the trade, not the amount of this one, so none is
    passed on: the refund's id says which it was."""
    refund_id = fields.get("out_biz_no", "")
    return ProviderEvent(
        source=TopUpSource.ALIPAY,
        event_id=f"refunded:{trade_no}:{refund_id or fields.get('notify_id', '')}",
        kind=EventKind.REFUNDED,
        top_up_id=order,
        provider_reference=trade_no,
        currency=Currency.CNY,
        amount_nanos=0,
        refund_id=refund_id,
    )


def _nanos(yuan: str) -> int:
    try:
        nanos = nanos_from_yuan(yuan)
    except ValueError:
        raise ProviderError("Alipay gave an amount that is none") from None
    if nanos <= 0:
        raise ProviderError("Alipay gave an amount that is not above zero")
    return nanos
