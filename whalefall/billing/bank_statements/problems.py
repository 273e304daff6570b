"""What can be wrong with a statement file: where it stands, what it is, and what to do about it.

The sentences are English here; whoever shows them translates the sentence and then fills it in."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from whalefall.base.errors import InvalidRequestError

PLACE = "%(file)s, line %(line)d, column %(column)s: %(problem)s"
FOUND_LENGTH_MAX = 60


class Problem(enum.StrEnum):
    """Sentences with the values they are filled with."""

    EMPTY = "The file is empty. Export the statement again."
    TOO_LARGE = "The file has more than %(limit)d bytes. Export fewer days at once."
    TOO_MANY = "There are more than %(limit)d entries. Export fewer days at once."
    TOO_MANY_ALIKE = (
        "More than %(limit)d entries of one day have the same amount. Import the day in several "
        "files."
    )
    NOT_TEXT = "This is neither UTF-8 nor GB18030 text. Export the statement as CSV or camt.053."
    NOT_CSV = "This line is not CSV. Export the file again and do not edit it."
    NO_HEADER = (
        "There is no line with the column names of a known bank. Export with the bank's usual "
        "columns; “Bank transfers” in the documentation lists them."
    )
    OTHER_FORMAT = "This is not a statement in the format %(format)s. Leave the format out."
    TWICE = "Two columns have the name %(found)s. Export with the bank's usual columns."
    SHORT_LINE = "The line ends before this column. The file may be cut off: export it again."
    LONG_LINE = "The line has more cells than there are columns. Export the file again."
    NO_DATE = "“%(found)s” is not a date. Export the file again and do not edit it."
    NO_AMOUNT = "“%(found)s” is not an amount such as 1,234.56. Export the file again."
    BOTH_SIDES = "There is a debit and a credit in one line. Export the file again."
    WRONG_SIDE = "The line says “%(found)s”, its amount stands on the other side. Export it again."
    WRONG_TOTAL = (
        "The total is %(found)s, the lines add up to %(sum)s. The file may be cut off: export it "
        "again."
    )
    NO_CURRENCY = (
        "The currency “%(found)s” is not kept here, only CNY and USD. Import the statements of "
        "accounts in those."
    )
    TOO_LONG = "The text has more than %(limit)d characters. Export the file again."
    NOT_XML = "This is not well-formed XML. Export the file again and do not edit it."
    DOCTYPE = "A statement has no document type and no entities. Ask the bank for a plain one."
    TOO_DEEP = "The elements are too many or too deep for a statement. Export fewer days at once."
    NOT_CAMT = (
        "“%(found)s” is not camt.053.001.02 or camt.053.001.08. Ask the bank for one of them."
    )
    MISSING = "The element %(found)s is missing. Export the file again."
    ODD_VALUE = "“%(found)s” does not belong here. Export the file again."
    OTHER_ACCOUNT = (
        "This is the statement of the account %(found)s, not of the account in the settings. "
        "Choose the statement of that one."
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file. The column is its name or, in XML and where there is none, a number."""

    file: str
    line: int = 1
    column: str = "1"


class StatementError(InvalidRequestError):
    """The file cannot be imported; nothing of it has been."""

    def __init__(self, problem: Problem, place: Place, **values: object) -> None:
        self.problem = problem
        self.place = place
        self.values = {
            name: _shortened(value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        super().__init__(place_text(PLACE, place, problem.value % self.values))


def place_text(template: str, place: Place, problem: str) -> str:
    return template % {
        "file": _shortened(place.file),
        "line": place.line,
        "column": place.column,
        "problem": problem,
    }


def _shortened(text: str) -> str:
    """For a message: printable, and not longer than one reads."""
    plain = "".join(letter if letter.isprintable() else "�" for letter in text)
    return plain if len(plain) <= FOUND_LENGTH_MAX else plain[:FOUND_LENGTH_MAX] + "…"
