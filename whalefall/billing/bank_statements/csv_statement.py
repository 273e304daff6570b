"""Reads a bank's CSV export: a preamble, a line of headings, one line for each entry, totals."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.bank_statements.cells import (
    NAME_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    amount_from_cell,
    currency_from_cell,
    day_from_cell,
    narrow,
    tidy,
)
from whalefall.billing.bank_statements.csv_layouts import LAYOUTS, Layout, column_name
from whalefall.billing.bank_statements.entry import Direction, Statement, StatementEntry
from whalefall.billing.bank_statements.problems import Place, Problem, StatementError

NUM_PREAMBLE_LINES_MAX = 40
NUM_ENTRIES_MAX = 50_000
_ACCOUNT = re.compile(r"(?:账号|账户|帐号)[^:：]{0,12}[:：]?\s*,?\s*([0-9][0-9 -]{4,40})")
_TOTALS = ("合计", "总计", "小计", "累计", "汇总", "总笔数", "总金额", "共")
_WHOLE_TOTALS = ("合计", "总")
_SIDES = {"借": Direction.DEBIT, "贷": Direction.CREDIT}
_NO_FLAGS = ("", "0", "N", "否", "正常", "X")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Sequence[str]


@dataclass(slots=True)
class _Reader:
    """One file, from its line of headings on."""

    file: str
    layout: Layout
    headings: Sequence[str]
    currency: Currency
    """Of entries that do not say."""
    sums: dict[Direction, int] = field(
        default_factory=lambda: {Direction.DEBIT: 0, Direction.CREDIT: 0}
    )
    """Of what stands in the two columns, as it stands there."""
    accounts: set[str] = field(default_factory=set)
    is_summed_up: bool = False
    """The totals have been read; what follows without a day is the bank's fine print."""


def parse_csv(text: str, file: str, currency: Currency) -> Statement:
    """StatementError at the first thing that is not as it should be."""
    rows = _rows(text, file)
    reader, preamble = _find_header(rows, file, currency)
    entries: list[StatementEntry] = []
    for row in rows:
        if not any(row.cells):
            continue
        if _is_total(reader, row):
            _check_total(reader, row)
            continue
        if reader.is_summed_up and not _has_day(reader, row):
            continue
        entry = _entry(reader, row)
        if entry is not None:
            entries.append(entry)
        if len(entries) > NUM_ENTRIES_MAX:
            raise StatementError(Problem.TOO_MANY, Place(file, row.line), limit=NUM_ENTRIES_MAX)
    return Statement(reader.layout.format, _account(reader, preamble), tuple(entries))


def _rows(text: str, file: str) -> Iterator[_Row]:
    """Lines with their cells tidied. Commas or tabs part the cells, whichever the file uses."""
    sample = text[:4000]
    delimiter = "\t" if sample.count("\t") > sample.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise StatementError(Problem.NOT_CSV, Place(file, line)) from None
        yield _Row(line, [tidy(cell) for cell in cells])


def _find_header(rows: Iterator[_Row], file: str, currency: Currency) -> tuple[_Reader, list[_Row]]:
    preamble: list[_Row] = []
    for row in rows:
        headings = [column_name(cell) for cell in row.cells]
        for layout in LAYOUTS:
            if all(any(name in headings for name in names) for names in layout.needed):
                _check_headings(file, row.line, headings)
                return _Reader(file, layout, headings, currency), preamble
        preamble.append(row)
        if len(preamble) == NUM_PREAMBLE_LINES_MAX:
            break
    raise StatementError(Problem.NO_HEADER, Place(file, max(1, len(preamble))))


def _check_headings(file: str, line: int, headings: Sequence[str]) -> None:
    for index, heading in enumerate(headings):
        if heading and heading in headings[:index]:
            place = Place(file, line, str(index + 1))
            raise StatementError(Problem.TWICE, place, found=heading)


def _column(reader: _Reader, names: Sequence[str]) -> int | None:
    return next((reader.headings.index(name) for name in names if name in reader.headings), None)


def _cell(reader: _Reader, row: _Row, names: Sequence[str]) -> str:
    """Empty where the bank has no such column; StatementError where the line is too short."""
    index = _column(reader, names)
    if index is None:
        return ""
    if index >= len(row.cells):
        raise _problem(reader, row, names, Problem.SHORT_LINE)
    return row.cells[index]


def _problem(
    reader: _Reader, row: _Row, names: Sequence[str], problem: Problem, **values: object
) -> StatementError:
    index = _column(reader, names)
    column = "1" if index is None else reader.headings[index]
    return StatementError(problem, Place(reader.file, row.line, column), **values)


def _entry(reader: _Reader, row: _Row) -> StatementEntry | None:
    """None for a line that moves nothing."""
    layout = reader.layout
    if len(row.cells) > len(reader.headings):
        # Also when the last ones are empty: a comma too many may have shifted all the others.
        place = Place(reader.file, row.line, str(len(reader.headings) + 1))
        raise StatementError(Problem.LONG_LINE, place)
    day = _day(reader, row)
    signed = {
        Direction.DEBIT: _amount(reader, row, layout.debit),
        Direction.CREDIT: _amount(reader, row, layout.credit),
    }
    if all(signed.values()):
        raise _problem(reader, row, layout.credit, Problem.BOTH_SIDES)
    reader.accounts.add(_digits(_cell(reader, row, layout.account)))
    for side, nanos in signed.items():
        reader.sums[side] += nanos
    if not any(signed.values()):
        return None
    side = Direction.DEBIT if signed[Direction.DEBIT] else Direction.CREDIT
    _check_side(reader, row, side)
    # A negative amount is the bank's red ink: the entry runs the other way and undoes one.
    is_red = signed[side] < 0
    is_flagged = _cell(reader, row, layout.reversal).upper() not in _NO_FLAGS
    return StatementEntry(
        booked_on=day,
        direction=_other(side) if is_red else side,
        currency=_currency(reader, row),
        amount_nanos=abs(signed[side]),
        is_reversal=is_red or is_flagged,
        reference=_short(reader, row, layout.reference),
        payer_name=_short(reader, row, layout.payer_name),
        payer_account=_short(reader, row, layout.payer_account),
        credited_account=_short(reader, row, layout.credited_account),
        text=_joined(_cell(reader, row, names) for names in layout.texts),
        line=row.line,
    )


def _day(reader: _Reader, row: _Row) -> date:
    cell = _cell(reader, row, reader.layout.day)
    try:
        return day_from_cell(cell)
    except ValueError:
        raise _problem(reader, row, reader.layout.day, Problem.NO_DATE, found=cell) from None


def _amount(reader: _Reader, row: _Row, names: Sequence[str]) -> int:
    cell = _cell(reader, row, names)
    try:
        return amount_from_cell(cell)
    except ValueError:
        raise _problem(reader, row, names, Problem.NO_AMOUNT, found=cell) from None


def _currency(reader: _Reader, row: _Row) -> Currency:
    cell = _cell(reader, row, reader.layout.currency)
    try:
        return currency_from_cell(cell) if cell else reader.currency
    except ValueError:
        names = reader.layout.currency
        raise _problem(reader, row, names, Problem.NO_CURRENCY, found=cell) from None


def _short(reader: _Reader, row: _Row, names: Sequence[str]) -> str:
    cell = _cell(reader, row, names)
    if len(cell) > NAME_LENGTH_MAX:
        raise _problem(reader, row, names, Problem.TOO_LONG, limit=NAME_LENGTH_MAX)
    return cell


def _check_side(reader: _Reader, row: _Row, side: Direction) -> None:
    cell = _cell(reader, row, reader.layout.side)
    if cell and _SIDES.get(cell[0], side) is not side:
        raise _problem(reader, row, reader.layout.side, Problem.WRONG_SIDE, found=cell)


def _other(side: Direction) -> Direction:
    return Direction.CREDIT if side is Direction.DEBIT else Direction.DEBIT


def _is_total(reader: _Reader, row: _Row) -> bool:
    """Closing lines have no day; one of their cells names what they sum up."""
    first = next(cell for cell in row.cells if cell)
    return first.startswith(_TOTALS) and not _has_day(reader, row)


def _has_day(reader: _Reader, row: _Row) -> bool:
    index = _column(reader, reader.layout.day)
    assert index is not None
    return index < len(row.cells) and _is_day(row.cells[index])


def _is_day(cell: str) -> bool:
    try:
        day_from_cell(cell)
    except ValueError:
        return False
    return True


def _check_total(reader: _Reader, row: _Row) -> None:
    """A total that stands under the amounts has to be their sum: a file that was cut is found."""
    reader.is_summed_up = True
    first = next(cell for cell in row.cells if cell)
    if not first.startswith(_WHOLE_TOTALS):
        return
    sums: Mapping[Direction, tuple[str, ...]] = {
        Direction.DEBIT: reader.layout.debit,
        Direction.CREDIT: reader.layout.credit,
    }
    for side, names in sums.items():
        index = _column(reader, names)
        cell = row.cells[index] if index is not None and index < len(row.cells) else ""
        if not cell or _says_no_amount(cell):
            continue
        if amount_from_cell(cell) != reader.sums[side]:
            total = text_from_nanos(reader.sums[side])
            raise _problem(reader, row, names, Problem.WRONG_TOTAL, found=cell, sum=total)


def _says_no_amount(cell: str) -> bool:
    try:
        amount_from_cell(cell)
    except ValueError:
        return True
    return False


def _account(reader: _Reader, preamble: Sequence[_Row]) -> str:
    """From the lines themselves, else from the preamble; where they name several, the shortest:
    the others are virtual numbers below it."""
    named = {account for account in reader.accounts if account}
    if named:
        return min(named, key=lambda account: (len(account), account))
    for row in preamble:
        found = _ACCOUNT.search(narrow(" ".join(row.cells)))
        if found is not None:
            return _digits(found.group(1))
    return ""


def _digits(text: str) -> str:
    return "".join(letter for letter in narrow(text) if letter.isascii() and letter.isdigit())


def _joined(cells: Iterator[str]) -> str:
    """Each text once, in order."""
    return " ".join(dict.fromkeys(cell for cell in cells if cell))[:TEXT_LENGTH_MAX].strip()
