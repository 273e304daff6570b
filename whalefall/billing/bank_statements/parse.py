"""From a file's bytes to a statement, in whichever of the formats it is. Pure: all or nothing."""

from __future__ import annotations

from whalefall.base.money import Currency
from whalefall.billing.bank_statements.camt053 import parse_camt053
from whalefall.billing.bank_statements.csv_statement import parse_csv
from whalefall.billing.bank_statements.decoding import decoded
from whalefall.billing.bank_statements.entry import Statement, StatementFormat
from whalefall.billing.bank_statements.problems import Place, Problem, StatementError

STATEMENT_BYTES_MAX = 8 << 20
_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\x00", b"\xfe\xff\x00<")


def parse_statement(
    data: bytes,
    file: str,
    *,
    expected: StatementFormat | None = None,
    currency: Currency = Currency.CNY,
) -> Statement:
    """What the file says. `currency` is that of CSV lines which name none. StatementError with
    file, line and column for anything else than a statement of a known format."""
    if len(data) > STATEMENT_BYTES_MAX:
        raise StatementError(Problem.TOO_LARGE, Place(file), limit=STATEMENT_BYTES_MAX)
    if not data.strip():
        raise StatementError(Problem.EMPTY, Place(file))
    if data.lstrip().startswith(_XML_STARTS):
        statement = parse_camt053(data, file)
    else:
        statement = parse_csv(decoded(data, file), file, currency)
    if expected is not None and statement.format is not expected:
        raise StatementError(Problem.OTHER_FORMAT, Place(file), format=expected.value)
    return statement
