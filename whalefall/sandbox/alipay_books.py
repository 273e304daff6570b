"""What the sandbox's Alipay remembers: trades, their refunds, and who may do what when.

Knows nothing of HTTP and signatures. Answers are the fields that the real gateway puts into the
node of its answer, with its codes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from whalefall.sandbox.money_text import fen_from_yuan, yuan_from_fen
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.times import beijing_text, instant_from_beijing

TEXTS = {
    "ACQ.TRADE_NOT_EXIST": "交易不存在",
    "ACQ.TRADE_STATUS_ERROR": "交易状态不合法",
    "ACQ.TRADE_HAS_SUCCESS": "交易已被支付",
    "ACQ.TRADE_HAS_CLOSE": "交易已经关闭",
    "ACQ.CONTEXT_INCONSISTENT": "交易信息被篡改",
    "ACQ.INVALID_PARAMETER": "参数无效",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "退款金额超限",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "请求信息不一致",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "卖家余额不足",
    "ACQ.TRADE_NOT_ALLOW_REFUND": "当前交易不允许退款",
}


class BusinessError(Exception):
    """Alipay understands and says no, with one of its codes."""

    def __init__(self, sub_code: str) -> None:
        super().__init__(sub_code)
        self.sub_code = sub_code


@dataclass
class Refund:
    out_request_no: str
    fen: int
    asked_at: datetime
    done_at: datetime | None = None


@dataclass
class Trade:
    out_trade_no: str
    trade_no: str
    fen: int
    subject: str
    notify_url: str
    return_url: str
    created_at: datetime
    expires_at: datetime | None
    status: str = "WAIT_BUYER_PAY"
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    refunds: dict[str, Refund] = field(default_factory=dict)

    @property
    def refunded_fen(self) -> int:
        return sum(refund.fen for refund in self.refunds.values() if refund.done_at)


class AlipayBooks:
    def __init__(self) -> None:
        self.trades: dict[str, Trade] = {}
        """By out_trade_no."""
        self.refund_course = RefundCourse.AT_ONCE
        """What happens to refunds from now on."""

    def open(self, fields: Mapping[str, str], content: Mapping[str, Any], now: datetime) -> Trade:
        """The payer's browser arrives with an order: from now on there is a trade."""
        fen, subject = _fen(content.get("total_amount")), str(content.get("subject", ""))
        number = str(content.get("out_trade_no", ""))
        if content.get("product_code") != "FAST_INSTANT_TRADE_PAY" or not subject:
            raise BusinessError("ACQ.INVALID_PARAMETER")
        if not 1 <= len(number) <= 64 or not number.replace("_", "").isalnum():
            raise BusinessError("ACQ.INVALID_PARAMETER")
        known = self._trade(number, now)
        if known is None:
            known = Trade(
                out_trade_no=number,
                trade_no=now.strftime("%Y%m%d") + f"22001{secrets.randbelow(10**15):015}",
                fen=fen,
                subject=subject,
                notify_url=fields.get("notify_url", ""),
                return_url=fields.get("return_url", ""),
                created_at=now,
                expires_at=_instant(content.get("time_expire")),
            )
            self.trades[number] = known
        if known.fen != fen:
            raise BusinessError("ACQ.CONTEXT_INCONSISTENT")
        self._require_open(self._trade(number, now) or known)
        return known

    def pay(self, number: str, now: datetime) -> Trade:
        trade = self._require(number, now)
        self._require_open(trade)
        trade.status, trade.paid_at = "TRADE_SUCCESS", now
        return trade

    def query(self, content: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        trade = self._asked(content, now)
        answer = {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "trade_status": trade.status,
            "total_amount": yuan_from_fen(trade.fen),
            "buyer_logon_id": "san***@example.com",
            "point_amount": "0.00",
            "invoice_amount": "0.00",
            "receipt_amount": "0.00",
            "buyer_pay_amount": "0.00",
        }
        return answer | ({"send_pay_date": beijing_text(trade.paid_at)} if trade.paid_at else {})

    def close(self, content: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        trade = self._asked(content, now)
        if trade.status != "WAIT_BUYER_PAY":
            raise BusinessError("ACQ.TRADE_STATUS_ERROR")
        trade.status, trade.closed_at = "TRADE_CLOSED", now
        return {"trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no}

    def refund(self, content: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        trade, fen = self._asked(content, now), _fen(content.get("refund_amount"))
        number = str(content.get("out_request_no", ""))
        if trade.paid_at is None or not number:
            raise BusinessError("ACQ.TRADE_STATUS_ERROR")
        known = trade.refunds.get(number)
        if known is not None:
            if known.fen != fen:
                raise BusinessError("ACQ.DISCORDANT_REPEAT_REQUEST")
            return _refund_answer(trade, has_moved=False)
        if self.refund_course in (RefundCourse.REFUSED, RefundCourse.FAILS_LATE):
            raise BusinessError("ACQ.TRADE_NOT_ALLOW_REFUND")
        if self.refund_course is RefundCourse.NO_FUNDS:
            raise BusinessError("ACQ.SELLER_BALANCE_NOT_ENOUGH")
        if sum(refund.fen for refund in trade.refunds.values()) + fen > trade.fen:
            raise BusinessError("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
        trade.refunds[number] = Refund(number, fen, now)
        is_late = self.refund_course is RefundCourse.LATE
        if not is_late:
            self.finish_refund(trade, number, now)
        return _refund_answer(trade, has_moved=not is_late)

    def finish_refund(self, trade: Trade, number: str, now: datetime) -> None:
        trade.refunds[number].done_at = now
        if trade.refunded_fen == trade.fen:
            trade.status, trade.closed_at = "TRADE_CLOSED", now

    def query_refund(self, content: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """A refund that is not done has no status, and one that nobody asked for no fields."""
        trade = self._asked(content, now)
        refund = trade.refunds.get(str(content.get("out_request_no", "")))
        if refund is None:
            return {}
        answer = {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "out_request_no": refund.out_request_no,
            "total_amount": yuan_from_fen(trade.fen),
            "refund_amount": yuan_from_fen(refund.fen),
        }
        return answer | ({"refund_status": "REFUND_SUCCESS"} if refund.done_at else {})

    def _asked(self, content: Mapping[str, Any], now: datetime) -> Trade:
        """By Alipay's number where it is given, else by the merchant's."""
        trade_no = content.get("trade_no")
        if not trade_no:
            return self._require(str(content.get("out_trade_no", "")), now)
        numbers = (each.out_trade_no for each in self.trades.values() if each.trade_no == trade_no)
        return self._require(next(numbers, ""), now)

    def _require(self, number: str, now: datetime) -> Trade:
        trade = self._trade(number, now)
        if trade is None:
            raise BusinessError("ACQ.TRADE_NOT_EXIST")
        return trade

    def _require_open(self, trade: Trade) -> None:
        if trade.paid_at is not None:
            raise BusinessError("ACQ.TRADE_HAS_SUCCESS")
        if trade.status != "WAIT_BUYER_PAY":
            raise BusinessError("ACQ.TRADE_HAS_CLOSE")

    def _trade(self, number: str, now: datetime) -> Trade | None:
        trade = self.trades.get(number)
        expires_at = trade.expires_at if trade and trade.status == "WAIT_BUYER_PAY" else None
        if trade and expires_at and expires_at <= now:
            trade.status, trade.closed_at = "TRADE_CLOSED", expires_at
        return trade


def _refund_answer(trade: Trade, *, has_moved: bool) -> dict[str, Any]:
    return {
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "buyer_logon_id": "san***@example.com",
        "fund_change": "Y" if has_moved else "N",
        "refund_fee": yuan_from_fen(trade.refunded_fen),
    }


def _fen(amount: object) -> int:
    try:
        fen = fen_from_yuan(str(amount))
    except ValueError:
        raise BusinessError("ACQ.INVALID_PARAMETER") from None
    if not 0 < fen <= 10_000_000_000:
        raise BusinessError("ACQ.INVALID_PARAMETER")
    return fen


def _instant(text: object) -> datetime | None:
    try:
        return instant_from_beijing(str(text)) if text else None
    except ValueError:
        raise BusinessError("ACQ.INVALID_PARAMETER") from None
