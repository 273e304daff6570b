"""The daily statement of the sandbox's WeChat Pay (`ALL`): a backtick before every value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from whalefall.sandbox.money_text import yuan_from_fen
from whalefall.sandbox.times import BEIJING, beijing_text
from whalefall.sandbox.wechatpay_books import Order, Refund

COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
REFUND_STATUSES = {"SUCCESS": "SUCCESS", "PROCESSING": "PROCESSING", "CLOSED": "FAIL"}


def bill_text(app_id: str, merchant_id: str, orders: Iterable[Order], day: str) -> bytes:
    """Empty when nothing happened on that day (`2026-01-31`, in Beijing)."""
    rows = [row for order in orders for row in _rows((app_id, merchant_id), order, day)]
    if not rows:
        return b""
    summary = [str(len(rows)), "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"]
    lines = [COLUMNS, *map(_line, rows), SUMMARY, _line(summary)]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


def _rows(merchant: tuple[str, str], order: Order, day: str) -> Iterable[list[str]]:
    if order.paid_at and _day(order.paid_at) == day:
        yield _row(merchant, order, order.paid_at, None)
    for refund in order.refunds.values():
        if _day(refund.created_at) == day:
            yield _row(merchant, order, refund.created_at, refund)


def _row(merchant: tuple[str, str], order: Order, at: datetime, refund: Refund | None) -> list[str]:
    paid = "0.00" if refund else yuan_from_fen(order.fen)
    returned = yuan_from_fen(refund.fen) if refund else "0.00"
    return [
        *(beijing_text(at), *merchant, "0", ""),
        *(order.transaction_id, order.out_trade_no, "oSANDBOX0000000000000000000", "NATIVE"),
        *("REFUND" if refund else "SUCCESS", "OTHERS", "CNY", paid, "0.00"),
        *(refund.refund_id if refund else "0", refund.out_refund_no if refund else "0"),
        *(returned, "0.00", "ORIGINAL" if refund else ""),
        REFUND_STATUSES[refund.status] if refund else "",
        *(order.description.replace(",", "\\ "), "", "0.00000", "0.60%", paid, returned, ""),
    ]


def _line(values: Iterable[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def _day(instant: datetime) -> str:
    return instant.astimezone(BEIJING).date().isoformat()
