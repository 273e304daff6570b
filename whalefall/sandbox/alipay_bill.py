"""The daily statement of the sandbox's Alipay: two CSV files in GB18030, zipped."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from datetime import datetime

from whalefall.sandbox.alipay_books import Refund, Trade
from whalefall.sandbox.money_text import yuan_from_fen
from whalefall.sandbox.times import BEIJING, beijing_text

COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
RULE = "#-----------------------------------------业务明细列表"


def bill_archive(seller_id: str, trades: Iterable[Trade], day: str) -> bytes:
    """Empty when nothing happened on that day (`2026-01-31`, in Beijing)."""
    lines = [line for trade in trades for line in _lines(trade, day)]
    if not lines:
        return b""
    details = [
        "#支付宝业务明细查询",
        f"#账号：[{seller_id}0156]",
        f"#起始日期：[{day} 00:00:00]   终止日期：[{day} 24:00:00]",
        f"{RULE}----------------------------------------",
        COLUMNS,
        *lines,
        f"{RULE}结束------------------------------------",
        f"#交易合计：{len(lines)}笔",
    ]
    summary = [
        "#支付宝业务汇总查询",
        f"#账号：[{seller_id}0156]",
        "门店编号,交易订单总笔数",
        "合计,1",
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("details", details), ("summary", summary)):
            text = "\r\n".join(content) + "\r\n"
            archive.writestr(f"{seller_id}0156_{day.replace('-', '')}_{name}.csv", _encoded(text))
    return packed.getvalue()


def _lines(trade: Trade, day: str) -> Iterable[str]:
    if trade.paid_at and _day(trade.paid_at) == day:
        yield _line(trade, "交易", trade.fen, trade.paid_at, "")
    for refund in trade.refunds.values():
        if refund.done_at and _day(refund.done_at) == day:
            yield _refund_line(trade, refund, refund.done_at)


def _refund_line(trade: Trade, refund: Refund, done_at: datetime) -> str:
    return _line(trade, "退款", -refund.fen, done_at, refund.out_request_no)


def _line(trade: Trade, kind: str, fen: int, done_at: datetime, request_no: str) -> str:
    fee = fen * 6 // 1000
    cells = [
        *(f"{trade.trade_no}\t", f"{trade.out_trade_no}\t", f"{kind}\t"),
        trade.subject.replace(",", " "),
        *(beijing_text(trade.created_at), beijing_text(done_at)),
        *("\t", "\t", "\t", "\t", "*测试(san***@example.com)\t"),
        *(yuan_from_fen(fen), yuan_from_fen(fen)),
        *("0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00\t", "0.00"),
        *(f"{request_no}\t", yuan_from_fen(-fee), "0.00", ""),
    ]
    return ",".join(cells)


def _day(instant: datetime) -> str:
    return instant.astimezone(BEIJING).date().isoformat()


def _encoded(text: str) -> bytes:
    return text.encode("gb18030")
