"""Alipay's daily statement: a ZIP file with two CSV files in GB18030, one line per payment or
refund in one, their sums in the other."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

from whalefall.base.money import Currency
from whalefall.billing.payments.base import EventKind, StatementLine
from whalefall.billing.payments.out_trade_numbers import top_up_id
from whalefall.billing.payments.yuan import nanos_from_yuan

FILE_BYTES_MAX = 256 << 20
DETAILS_TITLE = "#支付宝业务明细查询"
KINDS = {"交易": EventKind.PAID, "退款": EventKind.REFUNDED}


def lines_from_zip(content: bytes) -> Sequence[StatementLine]:
    """ValueError for anything that is not such a statement, whole and unharmed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            texts = [_text(archive, info) for info in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise ValueError("it is not a ZIP file") from None
    details = [text for text in texts if text.startswith(DETAILS_TITLE)]
    if len(details) != 1:
        raise ValueError("it has no list of payments")
    return [_line(row) for row in _rows(details[0])]


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """File names are of no use: their encoding is stated nowhere."""
    with archive.open(info) as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"it holds more than {FILE_BYTES_MAX} bytes")
    return content.decode("gb18030")


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    """The first line without # names the columns; cells end in tabs to keep spreadsheets away."""
    plain = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    cells = ([cell.strip() for cell in row] for row in csv.reader(plain))
    names = next(cells, [])
    if "商户订单号" not in names:
        raise ValueError("it does not name its columns")
    for row in cells:
        yield dict(zip(names, row, strict=False))


def _line(row: Mapping[str, str]) -> StatementLine:
    try:
        kind = KINDS.get(row["业务类型"], EventKind.OTHER)
        return StatementLine(
            kind=kind,
            provider_reference=row["支付宝交易号"],
            top_up_id=top_up_id(row["商户订单号"]),
            refund_id=row["退款批次号/请求号"] if kind is EventKind.REFUNDED else "",
            currency=Currency.CNY,
            amount_nanos=abs(nanos_from_yuan(row["订单金额（元）"])),
        )
    except KeyError as error:
        raise ValueError(f"a line lacks {error}") from None
