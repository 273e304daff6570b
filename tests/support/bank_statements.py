"""Writes statements the way banks do, for tests to read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from whalefall.base.money import text_from_nanos
from whalefall.billing.bank_statements.entry import Direction, StatementEntry

ICBC_HEADINGS = (
    "凭证号", "本方账号", "对方账号", "交易时间", "借/贷", "借方发生额", "贷方发生额", "对方行号",
    "摘要", "用途", "对方单位名称", "余额", "个性化信息", "交易流水号", "币种", "虚拟账号",
    "冲正标志",
)  # fmt: skip
CMB_HEADINGS = (
    "交易日", "交易时间", "起息日", "交易类型", "借方金额", "贷方金额", "余额", "摘要", "流水号",
    "流程实例号", "业务名称", "用途", "业务参考号", "业务摘要", "其它摘要", "收(付)方分行名",
    "收(付)方名称", "收(付)方帐号", "收(付)方开户行行号", "收(付)方开户行名", "母(子)公司帐号",
    "母(子)公司名称", "冲帐标志", "扩展摘要", "票据号", "币种",
)  # fmt: skip
_SIDES = {Direction.DEBIT: "借", Direction.CREDIT: "贷"}
_CURRENCY_NAMES = {"CNY": "人民币", "USD": "USD"}


def grouped(nanos: int) -> str:
    """As many decimals as it takes, two at least, with thousands separators."""
    whole, _, decimals = text_from_nanos(nanos, 9).partition(".")
    return f"{int(whole):,}.{decimals.rstrip('0').ljust(2, '0')}"


def icbc_csv(
    entries: Sequence[StatementEntry], account: str, *, encoding: str = "gb18030"
) -> bytes:
    rows = [
        {
            "凭证号": "0",
            "本方账号": account,
            "对方账号": entry.payer_account + "\t",
            "交易时间": f"{entry.booked_on:%Y-%m-%d} 10:11:12",
            "借/贷": _SIDES[entry.direction],
            "借方发生额": _amount(entry, Direction.DEBIT),
            "贷方发生额": _amount(entry, Direction.CREDIT),
            "摘要": entry.text,
            "对方单位名称": entry.payer_name,
            "余额": "1,000,000.00",
            "交易流水号": entry.reference,
            "币种": _CURRENCY_NAMES[entry.currency],
            "虚拟账号": entry.credited_account,
            "冲正标志": "1" if entry.is_reversal else "",
        }
        for entry in entries
    ]
    total = {"凭证号": "合计", **_totals(entries, "借方发生额", "贷方发生额")}
    return _encoded([*_lines(ICBC_HEADINGS, [*rows, total])], encoding)


def cmb_csv(entries: Sequence[StatementEntry], account: str, *, encoding: str = "gb18030") -> bytes:
    rows = [
        {
            "交易日": f"{entry.booked_on:%Y%m%d}",
            "交易时间": "101112",
            "起息日": f"{entry.booked_on:%Y%m%d}",
            "借方金额": _amount(entry, Direction.DEBIT),
            "贷方金额": _amount(entry, Direction.CREDIT),
            "余额": "1,000,000.00",
            "摘要": entry.text,
            "流水号": entry.reference,
            "收(付)方名称": entry.payer_name,
            "收(付)方帐号": entry.payer_account,
            "母(子)公司帐号": entry.credited_account,
            "冲帐标志": "*" if entry.is_reversal else "",
            "币种": _CURRENCY_NAMES[entry.currency],
        }
        for entry in entries
    ]
    preamble = [["招商银行账务明细"], [f"账号：{account}", "币种：人民币"], []]
    end = {"交易日": f"总笔数：{len(entries)}", **_totals(entries, "借方金额", "贷方金额")}
    return _encoded([*preamble, *_lines(CMB_HEADINGS, [*rows, end])], encoding)


def camt053(
    entries: Sequence[StatementEntry], account: str, *, version: str = "08", bundled: bool = False
) -> bytes:
    """`bundled`: neighbours with the same reference share one entry."""
    groups: list[list[StatementEntry]] = []
    for entry in entries:
        if bundled and groups and _is_bundle(groups[-1][-1], entry):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    inner = "\n".join(_camt_entry(group, version) for group in groups)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">\n'
        "<BkToCstmrStmt><GrpHdr><MsgId>1</MsgId><CreDtTm>2026-01-31T23:59:59</CreDtTm></GrpHdr>\n"
        f"<Stmt><Id>1</Id><Acct><Id><Othr><Id>{escape(account)}</Id></Othr></Id></Acct>\n"
        f"{inner}\n</Stmt></BkToCstmrStmt></Document>\n"
    ).encode()


def _is_bundle(one: StatementEntry, other: StatementEntry) -> bool:
    names = ("reference", "booked_on", "direction", "currency", "is_reversal")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _camt_entry(group: Sequence[StatementEntry], version: str) -> str:
    first = group[0]
    side = "CRDT" if first.direction is Direction.CREDIT else "DBIT"
    status = "BOOK" if version == "02" else "<Cd>BOOK</Cd>"
    reversal = "<RvslInd>true</RvslInd>" if first.is_reversal else ""
    reference = first.reference and f"<AcctSvcrRef>{escape(first.reference)}</AcctSvcrRef>"
    amount = _camt_amount(sum(entry.amount_nanos for entry in group), first)
    details = "".join(_camt_details(entry, version) for entry in group)
    return (
        f"<Ntry>{amount}<CdtDbtInd>{side}</CdtDbtInd>{reversal}<Sts>{status}</Sts>"
        f"<BookgDt><Dt>{first.booked_on}</Dt></BookgDt>{reference}"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def _camt_details(entry: StatementEntry, version: str) -> str:
    other = "Dbtr" if entry.direction is Direction.CREDIT else "Cdtr"
    name = entry.payer_name and f"<Nm>{escape(entry.payer_name)}</Nm>"
    party = name if version == "02" else f"<Pty>{name}</Pty>"
    amount = _camt_amount(entry.amount_nanos, entry)
    if version == "02":
        amount = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
    parties = f"<{other}>{party}</{other}>" + _camt_account(f"{other}Acct", entry.payer_account)
    if entry.direction is Direction.CREDIT:
        parties += _camt_account("CdtrAcct", entry.credited_account)
    text = entry.text and f"<RmtInf><Ustrd>{escape(entry.text)}</Ustrd></RmtInf>"
    return f"<TxDtls>{amount}<RltdPties>{parties}</RltdPties>{text}</TxDtls>"


def _camt_account(name: str, number: str) -> str:
    return number and f"<{name}><Id><Othr><Id>{escape(number)}</Id></Othr></Id></{name}>"


def _camt_amount(nanos: int, entry: StatementEntry) -> str:
    text = grouped(nanos).replace(",", "")
    return f"<Amt Ccy={quoteattr(entry.currency)}>{text}</Amt>"


def _amount(entry: StatementEntry, side: Direction) -> str:
    return grouped(entry.amount_nanos) if entry.direction is side else ""


def _totals(entries: Sequence[StatementEntry], debit: str, credit: str) -> dict[str, str]:
    sums = {Direction.DEBIT: 0, Direction.CREDIT: 0}
    for entry in entries:
        sums[entry.direction] += entry.amount_nanos
    return {debit: grouped(sums[Direction.DEBIT]), credit: grouped(sums[Direction.CREDIT])}


def _lines(headings: Sequence[str], rows: Sequence[dict[str, str]]) -> list[list[str]]:
    return [list(headings), *([row.get(name, "") for name in headings] for row in rows)]


def _encoded(rows: Sequence[Sequence[str]], encoding: str) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode(encoding)
