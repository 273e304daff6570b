"""Statements as banks export them: what was written is read back, and junk is told apart."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.bank_statements import camt053, cmb_csv, icbc_csv
from whalefall.base.money import Currency
from whalefall.billing.bank_statements.cells import plain_name, tidy
from whalefall.billing.bank_statements.entry import Direction, StatementEntry, StatementFormat
from whalefall.billing.bank_statements.parse import STATEMENT_BYTES_MAX, parse_statement
from whalefall.billing.bank_statements.problems import Problem, StatementError

ACCOUNT = "755900001234567"
_LETTERS = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))


def texts(length_max: int) -> st.SearchStrategy[str]:
    """What a bank may write in a cell, tidied: outer spaces and quotes of spreadsheets are lost."""
    return st.text(_LETTERS, max_size=length_max).map(tidy).filter(lambda text: text == tidy(text))


ENTRIES = st.lists(
    st.builds(
        StatementEntry,
        booked_on=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
        direction=st.sampled_from(Direction),
        currency=st.sampled_from(Currency),
        amount_nanos=st.one_of(
            st.integers(1, 10**10).map(lambda cents: cents * 10_000_000), st.integers(1, 10**17)
        ),
        is_reversal=st.booleans(),
        reference=st.from_regex(r"[A-Z0-9]{0,20}", fullmatch=True),
        payer_name=texts(60),
        payer_account=st.from_regex(r"[0-9]{0,25}", fullmatch=True),
        credited_account=st.just(""),
        text=texts(80),
    ),
    max_size=8,
)
Write = Callable[[list[StatementEntry]], bytes]
WRITERS: dict[str, Write] = {
    "icbc gb18030": lambda entries: icbc_csv(entries, ACCOUNT),
    "icbc utf-8 with a mark": lambda entries: icbc_csv(entries, ACCOUNT, encoding="utf-8-sig"),
    "cmb gb18030": lambda entries: cmb_csv(entries, ACCOUNT),
    "cmb utf-16": lambda entries: cmb_csv(entries, ACCOUNT, encoding="utf-16"),
    "camt 02": lambda entries: camt053(entries, ACCOUNT, version="02"),
    "camt 08": lambda entries: camt053(entries, ACCOUNT),
    "camt 02 bundled": lambda entries: camt053(entries, ACCOUNT, version="02", bundled=True),
    "camt 08 bundled": lambda entries: camt053(entries, ACCOUNT, bundled=True),
}
PAYMENT = StatementEntry(
    booked_on=date(2026, 1, 31),
    direction=Direction.CREDIT,
    currency=Currency.CNY,
    amount_nanos=1_234_560_000_000,
    reference="G001",
    payer_name="深海数据（上海）有限公司",
    payer_account="6222000011112222",
    text="充值",
)


@pytest.mark.parametrize("name", list(WRITERS))
@settings(max_examples=15, deadline=None)
@given(entries=ENTRIES)
def test_what_was_written_is_read_back(name: str, entries: list[StatementEntry]) -> None:
    given_entries = entries
    if name.startswith("icbc"):
        given_entries = [replace(each, credited_account=ACCOUNT + "00") for each in entries]
    statement = parse_statement(WRITERS[name](given_entries), "statement")
    assert list(statement.entries) == given_entries
    assert statement.account == (ACCOUNT if entries or "icbc" not in name else "")


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_junk_is_refused_with_a_place(data: bytes) -> None:
    with pytest.raises(StatementError) as refused:
        parse_statement(data, "junk.csv")
    assert refused.value.message.startswith("junk.csv, line ")
    assert "%(" not in refused.value.message


@pytest.mark.parametrize("name", list(WRITERS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_never_crashes(
    name: str, data: st.DataObject
) -> None:
    written = bytearray(WRITERS[name]([PAYMENT, replace(PAYMENT, reference="G002")]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(written) - 1))
        length = data.draw(st.integers(0, 6))
        written[start : start + length] = data.draw(st.binary(max_size=6))
    with contextlib.suppress(StatementError):
        parse_statement(bytes(written), "damaged")


@pytest.mark.parametrize("name", [each for each in WRITERS if "camt" not in each])
def test_a_csv_file_that_was_cut_off_is_found_by_its_total(name: str) -> None:
    entries = [PAYMENT, replace(PAYMENT, reference="G002")]
    encoding = "utf-16" if "16" in name else "gb18030" if "gb" in name else "utf-8"
    lines = WRITERS[name](entries).decode(encoding).splitlines(keepends=True)
    del lines[-2]
    with pytest.raises(StatementError) as refused:
        parse_statement("".join(lines).encode(encoding), "cut.csv")
    assert refused.value.problem is Problem.WRONG_TOTAL


def icbc_with(**cells: str) -> bytes:
    """One good payment, then the same with other text in some cells, where `old` gives `new`."""
    lines = icbc_csv([PAYMENT], ACCOUNT, encoding="utf-8").decode().splitlines()
    changed = lines[1]
    for old, new in cells.items():
        changed = changed.replace(FIXED[old], new)
    return "\n".join([lines[0], lines[1], changed]).encode()


FIXED = {"credit": '"1,234.56"', "day": "2026-01-31 10:11:12", "side": "贷", "currency": "人民币"}


@pytest.mark.parametrize(
    ("cells", "problem", "column"),
    [
        ({"credit": "1.234,56"}, Problem.LONG_LINE, "18"),
        ({"credit": '"1,23.45"'}, Problem.NO_AMOUNT, "贷方发生额"),
        ({"credit": "１２３４．５６元"}, Problem.NO_AMOUNT, "贷方发生额"),
        ({"credit": "1e5"}, Problem.NO_AMOUNT, "贷方发生额"),
        ({"credit": "NaN"}, Problem.NO_AMOUNT, "贷方发生额"),
        ({"credit": "0.0000000001"}, Problem.NO_AMOUNT, "贷方发生额"),
        ({"credit": "99999999999999999999"}, Problem.NO_AMOUNT, "贷方发生额"),
        ({"day": "2026-02-30"}, Problem.NO_DATE, "交易时间"),
        ({"day": "31.01.26"}, Problem.NO_DATE, "交易时间"),
        ({"side": "借"}, Problem.WRONG_SIDE, "借/贷"),
        ({"currency": "EUR"}, Problem.NO_CURRENCY, "币种"),
    ],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], problem: Problem, column: str) -> None:
    with pytest.raises(StatementError) as refused:
        parse_statement(icbc_with(**cells), "a.csv")
    assert (refused.value.problem, refused.value.place.line) == (problem, 3)
    assert refused.value.place.column == column


@pytest.mark.parametrize(
    "cell", ["1234.56", '"1,234.56"', "１２３４．５６", '"￥1,234.56"', '"1,234.5600"', " 1234.56 "]
)
def test_amounts_as_people_write_them(cell: str) -> None:
    entries = parse_statement(icbc_with(credit=cell), "a.csv").entries
    assert [entry.amount_nanos for entry in entries] == [1_234_560_000_000] * 2


@pytest.mark.parametrize(
    "cell",
    ["20260131", "2026/1/31", "2026-01-31-10.11.12.123456", "2026年1月31日", "2026-01-31T10:11:12",
     "20260131101112"],
)  # fmt: skip
def test_days_as_banks_write_them(cell: str) -> None:
    entries = parse_statement(icbc_with(day=cell), "a.csv").entries
    assert [entry.booked_on for entry in entries] == [date(2026, 1, 31)] * 2


def test_red_ink_runs_the_other_way() -> None:
    (_, reversed_entry) = parse_statement(icbc_with(credit="-1234.56"), "a.csv").entries
    assert reversed_entry.direction is Direction.DEBIT
    assert reversed_entry.is_reversal
    assert reversed_entry.amount_nanos == PAYMENT.amount_nanos


def test_a_line_that_moves_nothing_is_no_entry() -> None:
    assert len(parse_statement(icbc_with(credit="0.00"), "a.csv").entries) == 1


def test_pending_entries_do_not_count() -> None:
    for version in ("02", "08"):
        written = camt053([PAYMENT], ACCOUNT, version=version).replace(b"BOOK", b"PDNG")
        assert parse_statement(written, "a.xml").entries == ()


def test_a_bundle_without_amounts_stays_one_entry_of_nobody() -> None:
    other = replace(PAYMENT, payer_name="另一家公司")
    written = camt053([PAYMENT, other], ACCOUNT, bundled=True)
    part = b'<TxDtls><Amt Ccy="CNY">1234.56</Amt>'
    (entry,) = parse_statement(written.replace(part, b"<TxDtls>"), "a.xml").entries
    assert entry.amount_nanos == 2 * PAYMENT.amount_nanos
    assert entry.payer_name == ""


def test_a_bundle_has_to_add_up() -> None:
    written = camt053([PAYMENT, PAYMENT], ACCOUNT, bundled=True)
    with pytest.raises(StatementError) as refused:
        parse_statement(written.replace(b">2469.12<", b">2469.13<"), "a.xml")
    assert refused.value.problem is Problem.WRONG_TOTAL


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("<Document", '<!DOCTYPE D [<!ENTITY a "b">]><Document', Problem.DOCTYPE),
        ("<Document", '<!DOCTYPE D SYSTEM "http://127.0.0.1/x"><Document', Problem.DOCTYPE),
        ("001.08", "001.03", Problem.NOT_CAMT),
        ("</Stmt>", "", Problem.NOT_XML),
        ("UTF-8", "GB18030", Problem.NOT_XML),
        ("UTF-8", "klingon", Problem.NOT_XML),
        ("<CdtDbtInd>CRDT</CdtDbtInd>", "", Problem.MISSING),
        ("CRDT", "SOME", Problem.ODD_VALUE),
        ("1234.56", "1,234.56", Problem.NO_AMOUNT),
        ("1234.56", "-1234.56", Problem.NO_AMOUNT),
        ('Ccy="CNY"', 'Ccy="EUR"', Problem.NO_CURRENCY),
        ("2026-01-31</Dt>", "31 January</Dt>", Problem.NO_DATE),
        ("<Stmt>", "<Stmt>" + "<a>" * 50 + "</a>" * 50, Problem.TOO_DEEP),
    ],
)
def test_a_wrong_document_is_refused(old: str, new: str, problem: Problem) -> None:
    written = camt053([PAYMENT], ACCOUNT).decode().replace(old, new)
    with pytest.raises(StatementError) as refused:
        parse_statement(written.encode(), "a.xml")
    assert refused.value.problem is problem


def test_limits_and_expectations() -> None:
    with pytest.raises(StatementError) as refused:
        parse_statement(b"x" * (STATEMENT_BYTES_MAX + 1), "big")
    assert refused.value.problem is Problem.TOO_LARGE
    with pytest.raises(StatementError) as refused:
        parse_statement(cmb_csv([PAYMENT], ACCOUNT), "a.csv", expected=StatementFormat.CAMT_053)
    assert refused.value.problem is Problem.OTHER_FORMAT


def test_names_differ_in_more_than_width_spaces_and_brackets() -> None:
    assert plain_name("ＡＢＣ　(上海) 公司") == plain_name("ABC（上海）公司") == "ABC(上海)公司"
    for other in ("abc(上海)公司", "ABC上海公司", "ABC(上海)公司 Ltd", "ABC(上诲)公司"):
        assert plain_name(other) != plain_name("ABC(上海)公司")
