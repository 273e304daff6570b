"""WeChat Pay's daily statement (`ALL`): lines with commas between, a backtick before every value,
and a summary after the payments and refunds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whalefall.base.money import Currency
from whalefall.billing.payments.base import EventKind, StatementLine
from whalefall.billing.payments.out_trade_numbers import top_up_id
from whalefall.billing.payments.yuan import nanos_from_yuan

BILL_BYTES_MAX = 256 << 20
SUMMARY = "总交易单数"
FAILED_REFUNDS = ("FAIL", "CHANGE")


def lines_from_bill(content: bytes) -> Sequence[StatementLine]:
    """ValueError for anything that is not such a statement."""
    lines = [line for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    if not lines or "商户订单号" not in lines[0]:
        raise ValueError("it does not name its columns")
    summary = next((i for i, line in enumerate(lines) if line.startswith(SUMMARY)), None)
    if summary is None:
        raise ValueError("it ends before its summary")
    names = lines[0].split(",")
    return [_line(dict(zip(names, _values(line), strict=False))) for line in lines[1:summary]]


def _values(line: str) -> list[str]:
    """Commas inside of values are escaped by WeChat Pay, so that every comma parts two values."""
    return [value.strip().removeprefix("`") for value in line.split(",")]


def _line(row: Mapping[str, str]) -> StatementLine:
    try:
        is_refund = row["交易状态"] == "REFUND"
        return StatementLine(
            kind=_kind(row),
            provider_reference=row["微信订单号"],
            top_up_id=top_up_id(row["商户订单号"]),
            refund_id=row["商户退款单号"] if is_refund else "",
            currency=Currency(row["货币种类"]),
            amount_nanos=nanos_from_yuan(row["申请退款金额" if is_refund else "订单金额"]),
        )
    except KeyError as error:
        raise ValueError(f"a line lacks {error}") from None


def _kind(row: Mapping[str, str]) -> EventKind:
    if row["交易状态"] == "SUCCESS":
        return EventKind.PAID
    if row["交易状态"] != "REFUND":
        return EventKind.OTHER
    failed = row["退款状态"] in FAILED_REFUNDS
    return EventKind.REFUND_FAILED if failed else EventKind.REFUNDED
