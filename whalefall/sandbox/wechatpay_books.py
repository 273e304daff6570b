"""What the sandbox's WeChat Pay remembers: orders, their refunds, and who may do what when.

Knows nothing of HTTP and signatures. Answers are the JSON objects of API v3, with its codes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.times import rfc3339

_NUMBER = re.compile(r"[0-9a-zA-Z_\-|*]{6,32}")
_REFUND_NUMBER = re.compile(r"[0-9a-zA-Z_\-|*@]{1,64}")
STATE_TEXTS = {
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "NOTPAY": "订单未支付",
    "CLOSED": "订单已关闭",
}


class RefusedError(Exception):
    """WeChat Pay understands and says no: its status, code and sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Refund:
    out_refund_no: str
    refund_id: str
    fen: int
    created_at: datetime
    status: str = "PROCESSING"
    done_at: datetime | None = None
    notify_url: str = ""


@dataclass
class Order:
    out_trade_no: str
    fen: int
    description: str
    notify_url: str
    created_at: datetime
    expires_at: datetime | None
    code_url: str
    state: str = "NOTPAY"
    transaction_id: str = ""
    paid_at: datetime | None = None
    refunds: dict[str, Refund] = field(default_factory=dict)

    @property
    def promised_fen(self) -> int:
        """What was given back or is about to be."""
        return sum(refund.fen for refund in self.refunds.values() if refund.status != "CLOSED")


class WechatPayBooks:
    def __init__(self, app_id: str, merchant_id: str) -> None:
        self._app_id = app_id
        self._merchant_id = merchant_id
        self.orders: dict[str, Order] = {}
        self.refund_course = RefundCourse.AT_ONCE

    def open(self, content: Mapping[str, Any], now: datetime) -> Order:
        amount = content.get("amount")
        amount = amount if isinstance(amount, dict) else {}
        fen = amount.get("total")
        number, description = content.get("out_trade_no"), content.get("description")
        self._check_merchant(content)
        if content.get("appid") != self._app_id:
            raise RefusedError(400, "APPID_MCHID_NOT_MATCH", "商户号和appid不匹配")
        if not isinstance(number, str) or not _NUMBER.fullmatch(number):
            raise _parameter_error("out_trade_no")
        if not isinstance(description, str) or not 1 <= len(description) <= 127:
            raise _parameter_error("description")
        if type(fen) is not int or fen < 1 or amount.get("currency", "CNY") != "CNY":
            raise _parameter_error("amount")
        if not str(content.get("notify_url", "")).startswith(("http://", "https://")):
            raise _parameter_error("notify_url")
        known = self._order(number, now)
        if known is None:
            known = self.orders[number] = Order(
                out_trade_no=number,
                fen=fen,
                description=description,
                notify_url=content["notify_url"],
                created_at=now,
                expires_at=_instant(content.get("time_expire")),
                code_url=f"weixin://wxpay/bizpayurl?pr={secrets.token_urlsafe(7)}",
            )
        if known.fen != fen or known.description != description:
            raise RefusedError(403, "OUT_TRADE_NO_USED", "商户订单号重复")
        self._require_open(known)
        return known

    def by_code(self, code_url: str, now: datetime) -> Order:
        """What the payer's phone does with the code."""
        numbers = (each.out_trade_no for each in self.orders.values() if each.code_url == code_url)
        return self.require(next(numbers, ""), now)

    def pay(self, number: str, now: datetime) -> Order:
        order = self.require(number, now)
        self._require_open(order)
        order.state, order.paid_at = "SUCCESS", now
        order.transaction_id = f"4200{secrets.randbelow(10**24):024}"
        return order

    def close(self, number: str, content: Mapping[str, Any], now: datetime) -> None:
        self._check_merchant(content)
        order = self.require(number, now)
        if order.state == "CLOSED":
            raise RefusedError(400, "ORDER_CLOSED", "订单已关闭")
        if order.state != "NOTPAY":
            raise RefusedError(400, "ORDERPAID", "该订单已支付")
        order.state = "CLOSED"

    def told(self, order: Order) -> dict[str, Any]:
        """The order as a query and a notice tell it."""
        told = {
            "appid": self._app_id,
            "mchid": self._merchant_id,
            "out_trade_no": order.out_trade_no,
            "trade_state": order.state,
            "trade_state_desc": STATE_TEXTS[order.state],
            "amount": {"total": order.fen, "currency": "CNY"},
        }
        if order.paid_at is None:
            return told
        return told | {
            "transaction_id": order.transaction_id,
            "trade_type": "NATIVE",
            "bank_type": "OTHERS",
            "attach": "",
            "success_time": rfc3339(order.paid_at),
            "payer": {"openid": "oSANDBOX0000000000000000000"},
            "amount": {
                "total": order.fen,
                "payer_total": order.fen,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }

    def refund(self, content: Mapping[str, Any], now: datetime) -> tuple[Order, Refund]:
        order, fen = self._refunded(content, now), self._refund_fen(content)
        number = str(content.get("out_refund_no", ""))
        if not _REFUND_NUMBER.fullmatch(number):
            raise _parameter_error("out_refund_no")
        if content["amount"].get("total") != order.fen:
            raise RefusedError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致")
        known = order.refunds.get(number)
        if known is not None:
            if known.fen != fen:
                raise RefusedError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致")
            return order, known
        if self.refund_course is RefundCourse.REFUSED:
            raise RefusedError(403, "USER_ACCOUNT_ABNORMAL", "退款请求失败")
        if self.refund_course is RefundCourse.NO_FUNDS:
            raise RefusedError(403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
        if order.promised_fen + fen > order.fen:
            raise RefusedError(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额")
        refund = order.refunds[number] = Refund(
            out_refund_no=number,
            refund_id=f"5030{secrets.randbelow(10**24):024}",
            fen=fen,
            created_at=now,
            notify_url=str(content.get("notify_url", "")),
        )
        order.state = "REFUND"
        return order, refund

    def finish_refund(self, refund: Refund, status: str, now: datetime) -> None:
        refund.status, refund.done_at = status, now

    def find_refund(self, number: str) -> tuple[Order, Refund]:
        for order in self.orders.values():
            if number in order.refunds:
                return order, order.refunds[number]
        raise RefusedError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")

    def told_refund(self, order: Order, refund: Refund) -> dict[str, Any]:
        told: dict[str, Any] = {
            "refund_id": refund.refund_id,
            "out_refund_no": refund.out_refund_no,
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": rfc3339(refund.created_at),
            "status": refund.status,
            "funds_account": "AVAILABLE",
            "amount": {
                "total": order.fen,
                "refund": refund.fen,
                "payer_total": order.fen,
                "payer_refund": refund.fen,
                "settlement_refund": refund.fen,
                "settlement_total": order.fen,
                "discount_refund": 0,
                "currency": "CNY",
            },
        }
        if refund.status == "SUCCESS" and refund.done_at:
            told["success_time"] = rfc3339(refund.done_at)
        return told

    def require(self, number: str, now: datetime) -> Order:
        order = self._order(number, now)
        if order is None:
            raise RefusedError(404, "ORDER_NOT_EXIST", "订单不存在")
        return order

    def _refunded(self, content: Mapping[str, Any], now: datetime) -> Order:
        transaction_id, number = content.get("transaction_id"), content.get("out_trade_no", "")
        for each in self.orders.values():
            if transaction_id and each.transaction_id == transaction_id:
                number = each.out_trade_no
        order = self._order(str(number), now)
        if order is None or order.paid_at is None:
            raise RefusedError(404, "RESOURCE_NOT_EXISTS", "订单不存在")
        return order

    def _refund_fen(self, content: Mapping[str, Any]) -> int:
        amount = content.get("amount")
        fen = amount.get("refund") if isinstance(amount, dict) else None
        if not isinstance(amount, dict) or type(fen) is not int or fen < 1:
            raise _parameter_error("amount")
        if amount.get("currency") != "CNY":
            raise _parameter_error("currency")
        return fen

    def _check_merchant(self, content: Mapping[str, Any]) -> None:
        if content.get("mchid") != self._merchant_id:
            raise RefusedError(400, "PARAM_ERROR", "mchid与签名的商户号不一致")

    def _require_open(self, order: Order) -> None:
        if order.paid_at is not None:
            raise RefusedError(400, "ORDERPAID", "该订单已支付")
        if order.state == "CLOSED":
            raise RefusedError(400, "ORDER_CLOSED", "订单已关闭")

    def _order(self, number: str, now: datetime) -> Order | None:
        order = self.orders.get(number)
        expires_at = order.expires_at if order and order.state == "NOTPAY" else None
        if order and expires_at and expires_at <= now:
            order.state = "CLOSED"
        return order


def _parameter_error(name: str) -> RefusedError:
    return RefusedError(400, "PARAM_ERROR", f"参数错误: {name}")


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        raise _parameter_error("time_expire") from None
