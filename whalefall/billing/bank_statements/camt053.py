"""Reads ISO 20022 camt.053, the bank-to-customer statement, in the versions 02 and 08.

Only booked entries count. An entry that bundles several payments is told apart into them where each
has an amount in the entry's currency; their sum has to be the entry's. In version 02 a party is
named directly, since version 08 within `Pty`; the same for the code of a status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.bank_statements.cells import (
    NAME_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    amount_from_cell,
    currency_from_cell,
    day_from_cell,
    tidy,
)
from whalefall.billing.bank_statements.csv_statement import NUM_ENTRIES_MAX
from whalefall.billing.bank_statements.entry import (
    Direction,
    Statement,
    StatementEntry,
    StatementFormat,
)
from whalefall.billing.bank_statements.problems import Place, Problem, StatementError
from whalefall.billing.bank_statements.xml_tree import Element, parse_xml

NAMESPACES = tuple(f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{each}" for each in ("02", "08"))
_DIRECTIONS = {"CRDT": Direction.CREDIT, "DBIT": Direction.DEBIT}
_FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False}
_AMOUNT = re.compile(r"\+?\d*\.?\d+|\+?\d+\.", re.ASCII)
_NO_REFERENCES = ("", "NOTPROVIDED", "NONREF")


@dataclass(frozen=True, slots=True)
class _Amount:
    currency: Currency
    nanos: int


def parse_camt053(data: bytes, file: str) -> Statement:
    """StatementError at the first thing that is not as it should be."""
    document = parse_xml(data, file)
    if document.name != "Document" or document.namespace not in NAMESPACES:
        found = document.namespace.rpartition(":")[2] or document.name
        raise StatementError(Problem.NOT_CAMT, document.place, found=found)
    statements = list(document.need("BkToCstmrStmt").find_all("Stmt"))
    accounts: set[str] = set()
    entries: list[StatementEntry] = []
    for statement in statements:
        accounts.add(_account(statement.need("Acct")))
        for entry in statement.find_all("Ntry"):
            entries += _entries(entry)
            if len(entries) > NUM_ENTRIES_MAX:
                raise StatementError(Problem.TOO_MANY, entry.place, limit=NUM_ENTRIES_MAX)
    if len(accounts) > 1:
        place = Place(file, statements[1].place.line, statements[1].place.column)
        raise StatementError(Problem.OTHER_ACCOUNT, place, found=", ".join(sorted(accounts)))
    return Statement(StatementFormat.CAMT_053, "".join(accounts), tuple(entries))


def _entries(entry: Element) -> Iterator[StatementEntry]:
    if _status(entry) != "BOOK":
        return
    whole = _whole_entry(entry)
    if whole.amount_nanos == 0:
        return
    details = list(entry.find_all("NtryDtls/TxDtls"))
    parts = [_part_amount(detail, whole.currency) for detail in details]
    if len(details) == 1:
        yield _with_details(whole, details[0])
    elif not details or None in parts:
        yield whole
    else:
        yield from _told_apart(entry, whole, details)


def _told_apart(
    entry: Element, whole: StatementEntry, details: list[Element]
) -> Iterator[StatementEntry]:
    total = 0
    for detail in details:
        amount = _part_amount(detail, whole.currency)
        assert amount is not None
        direction = _direction(detail) or whole.direction
        total += amount if direction is whole.direction else -amount
        if amount:
            part = replace(whole, amount_nanos=amount, direction=direction, line=detail.place.line)
            yield _with_details(part, detail)
    if total != whole.amount_nanos:
        found = text_from_nanos(whole.amount_nanos)
        raise StatementError(
            Problem.WRONG_TOTAL, entry.need("Amt").place, found=found, sum=text_from_nanos(total)
        )


def _whole_entry(entry: Element) -> StatementEntry:
    amount = _amount(entry.need("Amt"))
    direction = _direction(entry)
    if direction is None:
        raise StatementError(Problem.MISSING, entry.place, found="Ntry/CdtDbtInd")
    return StatementEntry(
        booked_on=_day(entry),
        direction=direction,
        currency=amount.currency,
        amount_nanos=amount.nanos,
        is_reversal=_flag(entry),
        reference=_reference(entry, "AcctSvcrRef"),
        text=tidy(entry.text_at("AddtlNtryInf"))[:TEXT_LENGTH_MAX].strip(),
        line=entry.place.line,
    )


def _with_details(entry: StatementEntry, detail: Element) -> StatementEntry:
    """The payment's own reference goes before its entry's, which several may share."""
    is_credit = entry.direction is Direction.CREDIT
    party, account = ("Dbtr", "DbtrAcct") if is_credit else ("Cdtr", "CdtrAcct")
    parties = f"RltdPties/{party}"
    return replace(
        entry,
        reference=_reference(detail, "Refs/AcctSvcrRef") or entry.reference,
        payer_name=_name(detail, f"{parties}/Nm", f"{parties}/Pty/Nm"),
        payer_account=_name(detail, *_account_paths(f"RltdPties/{account}")),
        credited_account=_name(detail, *_account_paths("RltdPties/CdtrAcct")) if is_credit else "",
        text=_remittance(detail) or entry.text,
    )


def _status(entry: Element) -> str:
    status = entry.need("Sts")
    return status.text or status.text_at("Cd", "Prtry")


def _amount(element: Element) -> _Amount:
    written = element.attributes.get("Ccy", "")
    try:
        currency = currency_from_cell(written)
    except ValueError:
        raise StatementError(Problem.NO_CURRENCY, element.place, found=written) from None
    return _Amount(currency, _nanos(element))


def _nanos(element: Element) -> int:
    try:
        if _AMOUNT.fullmatch(element.text):
            whole, _, decimals = element.text.lstrip("+").partition(".")
            return amount_from_cell(f"{whole or '0'}.{decimals.rstrip('0') or '0'}")
    except ValueError:
        pass
    raise StatementError(Problem.NO_AMOUNT, element.place, found=element.text)


def _part_amount(detail: Element, currency: Currency) -> int | None:
    """What this payment of a bundle brings, if it is told in the entry's currency."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        found = detail.find(path)
        if found is not None and found.attributes.get("Ccy") == currency.value:
            return _nanos(found)
    return None


def _direction(element: Element) -> Direction | None:
    found = element.find("CdtDbtInd")
    if found is None:
        return None
    if found.text not in _DIRECTIONS:
        raise StatementError(Problem.ODD_VALUE, found.place, found=found.text)
    return _DIRECTIONS[found.text]


def _flag(entry: Element) -> bool:
    found = entry.find("RvslInd")
    if found is None:
        return False
    if found.text not in _FLAGS:
        raise StatementError(Problem.ODD_VALUE, found.place, found=found.text)
    return _FLAGS[found.text]


def _day(entry: Element) -> date:
    booked = entry.need("BookgDt")
    written = booked.text_at("Dt", "DtTm")
    try:
        return day_from_cell(written)
    except ValueError:
        raise StatementError(Problem.NO_DATE, booked.place, found=written) from None


def _account(account: Element) -> str:
    return _name(account, "Id/IBAN", "Id/Othr/Id")


def _account_paths(path: str) -> tuple[str, str]:
    return f"{path}/Id/IBAN", f"{path}/Id/Othr/Id"


def _reference(element: Element, path: str) -> str:
    written = _name(element, path)
    return "" if written.upper() in _NO_REFERENCES else written


def _name(element: Element, *paths: str) -> str:
    text = tidy(element.text_at(*paths))
    if len(text) > NAME_LENGTH_MAX:
        raise StatementError(Problem.TOO_LONG, element.place, limit=NAME_LENGTH_MAX)
    return text


def _remittance(detail: Element) -> str:
    written = [
        *detail.find_all("RmtInf/Ustrd"),
        *detail.find_all("RmtInf/Strd/CdtrRefInf/Ref"),
        *detail.find_all("AddtlTxInf"),
    ]
    texts = dict.fromkeys(tidy(each.text) for each in written if each.text)
    return " ".join(texts)[:TEXT_LENGTH_MAX].strip()
