"""WeChat Pay, API v3: native payment, a QR code that the payer scans, told by encrypted notices.

A notice counts when WeChat Pay signed it within the last minutes, it decrypts with our key, and it
names our app and our merchant number. Names of fields, states and codes are those of the API."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from whalefall.base.clock import Clock
from whalefall.base.money import Currency
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
    minor_units_from_nanos,
    nanos_from_minor_units,
)
from whalefall.billing.payments.beijing import BEIJING, statement_ready_at
from whalefall.billing.payments.out_trade_numbers import out_trade_no, top_up_id
from whalefall.billing.payments.wechatpay_bill import BILL_BYTES_MAX, lines_from_bill
from whalefall.billing.payments.wechatpay_gateway import (
    WechatPayAccount,
    WechatPayAnswer,
    WechatPayGateway,
)
from whalefall.billing.top_ups import TopUpSource

DESCRIPTION_LENGTH_MAX = 127
NO_SUCH_ORDER = ("ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS")
REFUSED_FOR_GOOD = ("INVALID_REQUEST", "RESOURCE_NOT_EXISTS", "USER_ACCOUNT_ABNORMAL")
"""Of a refund. Other refusals, such as too little money in the merchant's account, pass once
somebody does something about them."""
PAID_STATES = ("SUCCESS", "REFUND")
"""REFUND: paid, and something of it was given back since."""
REFUND_STATES = {
    "SUCCESS": RefundState.DONE,
    "PROCESSING": RefundState.PENDING,
    "CLOSED": RefundState.FAILED,
    "ABNORMAL": RefundState.PENDING,
}
"""ABNORMAL: the payer's bank did not take the money; the merchant has to send it another way."""


class WechatPay:
    """A PaymentProvider."""

    source = TopUpSource.WECHATPAY
    currencies = frozenset((Currency.CNY,))
    answer_ok = NoticeAnswer(200, "application/json", b'{"code":"SUCCESS","message":"OK"}')
    answer_failed = NoticeAnswer(500, "application/json", b'{"code":"FAIL","message":"not taken"}')

    def __init__(self, account: WechatPayAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._gateway = WechatPayGateway(account, clock)

    def create(self, order: PaymentOrder) -> Checkout:
        assert order.currency in self.currencies
        expires_at = order.expires_at.astimezone(BEIJING)
        answer = self._gateway.call(
            "POST",
            "/v3/pay/transactions/native",
            {
                "appid": self._account.app_id,
                "mchid": self._account.merchant_id,
                "description": order.subject[:DESCRIPTION_LENGTH_MAX],
                "out_trade_no": out_trade_no(order.top_up_id),
                "time_expire": expires_at.isoformat(timespec="seconds"),
                "notify_url": order.notify_url,
                "amount": {"total": minor_units_from_nanos(order.amount_nanos), "currency": "CNY"},
            },
        )
        if not answer.is_success:
            error = ProviderError if answer.is_passing else ProviderRefusedError
            raise error(f"WeChat Pay does not take the order: {answer.told()}")
        code_url = answer.text("code_url")
        if not code_url.startswith("weixin://"):
            raise ProviderError("WeChat Pay gave no code to scan")
        return Checkout(qr=code_url)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        refusal = self._gateway.why_not_genuine(headers, body)
        if refusal:
            raise NoticeRefusedError(f"a notice is refused: {refusal}")
        notice = _object(body)
        resource = notice.get("resource")
        if notice.get("resource_type") != "encrypt-resource" or not isinstance(resource, dict):
            raise NoticeRefusedError("the notice has nothing encrypted in it")
        try:
            content = _object(self._gateway.decrypt(resource))
        except ValueError as error:
            raise NoticeRefusedError(f"a notice is refused: {error}") from None
        self._check_addressee(content)
        try:
            return _event_of(notice, content)
        except (KeyError, TypeError, ProviderError):
            raise NoticeRefusedError("the notice is not of the documented form") from None

    def _check_addressee(self, content: Mapping[str, Any]) -> None:
        """Notices of refunds name the merchant alone."""
        if content.get("mchid") != self._account.merchant_id:
            raise NoticeRefusedError("the notice is about another merchant's money")
        if content.get("appid", self._account.app_id) != self._account.app_id:
            raise NoticeRefusedError("the notice is for another app")

    def query(self, top_up_id: str, reference: str) -> ProviderEvent | None:  # noqa: ARG002
        number = out_trade_no(top_up_id)
        answer = self._gateway.call(
            "GET", f"{_order_path(number)}?mchid={self._account.merchant_id}"
        )
        if answer.code in NO_SUCH_ORDER:
            return None
        _require_success(answer)
        if (answer.text("out_trade_no"), answer.text("mchid")) != (
            number,
            self._account.merchant_id,
        ):
            raise ProviderError("WeChat Pay answered about another order")
        if answer.text("trade_state") not in PAID_STATES:
            return None
        try:
            return _paid_event(answer.fields)
        except (KeyError, TypeError):
            raise ProviderError("WeChat Pay's answer is not of the documented form") from None

    def close(self, top_up_id: str, reference: str) -> None:
        answer = self._gateway.call(
            "POST",
            f"{_order_path(out_trade_no(top_up_id))}/close",
            {"mchid": self._account.merchant_id},
        )
        if answer.is_success or answer.code in (*NO_SUCH_ORDER, "ORDER_CLOSED", "ORDERCLOSED"):
            return
        if self.query(top_up_id, reference) is not None:
            raise ProviderRefusedError("the order was just paid")
        raise ProviderError(f"WeChat Pay does not close the order: {answer.told()}")

    def refund(self, order: RefundOrder) -> RefundAnswer:
        amount = {
            "refund": minor_units_from_nanos(order.amount_nanos),
            "total": minor_units_from_nanos(order.total_nanos),
            "currency": "CNY",
        }
        content = {
            "transaction_id": order.provider_reference,
            "out_refund_no": order.refund_id,
            "notify_url": self._account.refund_notify_url,
            "amount": amount,
        }
        answer = self._gateway.call("POST", "/v3/refund/domestic/refunds", content)
        if answer.is_success:
            return _refund_answer(answer, order)
        if answer.is_passing or answer.code not in REFUSED_FOR_GOOD:
            raise ProviderError(f"WeChat Pay does not refund for now: {answer.told()}")
        # "Refused" is also what a second request is told when the first went through unheard.
        return self.query_refund(order) or RefundAnswer(RefundState.FAILED, reason=answer.told())

    def query_refund(self, order: RefundOrder) -> RefundAnswer | None:
        answer = self._gateway.call("GET", f"/v3/refund/domestic/refunds/{order.refund_id}")
        if answer.code in (*NO_SUCH_ORDER, "REFUND_NOT_EXISTS"):
            return None
        _require_success(answer)
        return _refund_answer(answer, order)

    def statement(self, day: date) -> Sequence[StatementLine]:
        if self._clock.now() < statement_ready_at(day):
            raise ProviderError("WeChat Pay's statement of that day is not ready yet")
        query = f"bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP"
        answer = self._gateway.call("GET", f"/v3/bill/tradebill?{query}")
        if answer.code == "NO_STATEMENT_EXIST":
            return ()
        _require_success(answer)
        packed = self._gateway.download(answer.text("download_url"))
        try:
            content = _unpacked(packed)
            if hashlib.sha1(content, usedforsecurity=False).hexdigest() != answer.text(
                "hash_value"
            ):
                raise ValueError("it was altered on the way")
            return lines_from_bill(content)
        except ValueError as error:
            raise ProviderError(f"WeChat Pay's statement cannot be read: {error}") from None


def _order_path(number: str) -> str:
    return f"/v3/pay/transactions/out-trade-no/{number}"


def _require_success(answer: WechatPayAnswer) -> None:
    if not answer.is_success:
        raise ProviderError(f"WeChat Pay answered: {answer.told()}")


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoticeRefusedError("the notice is not a JSON object")
    return value


def _event_of(notice: Mapping[str, Any], content: Mapping[str, Any]) -> ProviderEvent:
    kind = str(notice.get("event_type", ""))
    if kind.startswith("TRANSACTION.") and content["trade_state"] == "SUCCESS":
        if "appid" not in content:
            raise ProviderError("a payment names its app")
        return _paid_event(content)
    if kind.startswith("REFUND."):
        return _refunded_event(content)
    return ProviderEvent(
        source=TopUpSource.WECHATPAY,
        event_id=f"other:{notice['id']}",
        kind=EventKind.OTHER,
        top_up_id=top_up_id(str(content.get("out_trade_no", ""))),
        provider_reference=str(content.get("transaction_id", "")),
        currency=None,
        amount_nanos=0,
    )


def _paid_event(content: Mapping[str, Any]) -> ProviderEvent:
    """`total` is what the order said; `payer_total` may be less where WeChat Pay gave a coupon,
    which it pays to the merchant itself."""
    amount = content["amount"]
    return ProviderEvent(
        source=TopUpSource.WECHATPAY,
        event_id=f"paid:{content['transaction_id']}",
        kind=EventKind.PAID,
        top_up_id=top_up_id(str(content["out_trade_no"])),
        provider_reference=str(content["transaction_id"]),
        currency=_currency(amount),
        amount_nanos=_nanos(amount["total"]),
    )


def _refunded_event(content: Mapping[str, Any]) -> ProviderEvent:
    status = str(content["refund_status"])
    kinds = {"SUCCESS": EventKind.REFUNDED, "CLOSED": EventKind.REFUND_FAILED}
    return ProviderEvent(
        source=TopUpSource.WECHATPAY,
        event_id=f"refund:{content['refund_id']}:{status.lower()}",
        kind=kinds.get(status, EventKind.OTHER),
        top_up_id=top_up_id(str(content["out_trade_no"])),
        provider_reference=str(content["transaction_id"]),
        currency=_currency(content["amount"]),
        amount_nanos=_nanos(content["amount"]["refund"]),
        refund_id=str(content["out_refund_no"]),
    )


def _refund_answer(answer: WechatPayAnswer, order: RefundOrder) -> RefundAnswer:
    try:
        state = REFUND_STATES[answer.text("status")]
        refunded = _nanos(answer.fields["amount"]["refund"])
    except (KeyError, TypeError):
        raise ProviderError("WeChat Pay's answer is not of the documented form") from None
    if (answer.text("out_refund_no"), refunded) != (order.refund_id, order.amount_nanos):
        raise ProviderError("WeChat Pay answered about another refund")
    reason = "" if state is RefundState.DONE else answer.text("status")
    return RefundAnswer(state, answer.text("refund_id"), reason)


def _currency(amount: object) -> Currency:
    """Notices of refunds name none: they are in the currency of the payment."""
    if not isinstance(amount, dict):
        raise ProviderError("the amount is none")
    try:
        return Currency(amount.get("currency", "CNY"))
    except ValueError:
        raise ProviderError("the amount is of an unknown currency") from None


def _nanos(fen: object) -> int:
    if type(fen) is not int or fen <= 0:
        raise ProviderError("WeChat Pay gave an amount that is none")
    return nanos_from_minor_units(fen)


def _unpacked(content: bytes) -> bytes:
    """ValueError for anything but gzip, and for more than fits."""
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(content, BILL_BYTES_MAX)
    except zlib.error:
        raise ValueError("it is not packed with gzip") from None
    if not unpacker.eof:
        raise ValueError(f"it is cut off, or longer than {BILL_BYTES_MAX} bytes")
    return unpacked
