"""What stands in one cell or one element: a tidy text, an amount, a day, a currency."""

from __future__ import annotations

import re
from datetime import date

from whalefall.base.money import Currency, nanos_from_text

NAME_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 500

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_BRACKETS = str.maketrans("[]{}【】〔〕〖〗「」『』〈〉《》", "()" * 9)
_AMOUNT = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.\d{1,9})?", re.ASCII)
_DAY = re.compile(
    r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|()(\d{2})(\d{2})|年()(\d{1,2})月(\d{1,2})日)"
    r"(?:[ T-]?\d{1,2}[:.]?\d{2}(?:[:.]?\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_CURRENCIES = {
    "CNY": Currency.CNY,
    "RMB": Currency.CNY,
    "人民币": Currency.CNY,
    "人民币元": Currency.CNY,
    "USD": Currency.USD,
    "美元": Currency.USD,
}
_NOTHING = ("", "-", "--", "—")


def narrow(text: str) -> str:
    """Full-width letters, digits and signs as the plain ones."""
    return text.translate(_WIDE)


def plain_name(text: str) -> str:
    """A name as names are compared: width, spaces and the shape of brackets do not matter. All
    else does, capitals included."""
    return "".join(narrow(text).translate(_BRACKETS).split())


def tidy(text: str) -> str:
    """One printable line: what a spreadsheet puts around a text and every control character go."""
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split()).removeprefix("'")


def amount_from_cell(text: str) -> int:
    """Nanos, exactly; zero for an empty cell. ValueError for anything but a plain amount."""
    plain = narrow(tidy(text)).replace(" ", "").lstrip("¥￥$")
    if plain in _NOTHING:
        return 0
    if plain.startswith("(") and plain.endswith(")"):
        plain = "-" + plain[1:-1]
    if not _AMOUNT.fullmatch(plain):
        raise ValueError(text)
    return nanos_from_text(plain.replace(",", ""))


def day_from_cell(text: str) -> date:
    """The day of a date or a date with a time, as it is written. ValueError for anything else."""
    found = _DAY.fullmatch(narrow(tidy(text)))
    if found is None:
        raise ValueError(text)
    groups = found.groups()
    year, *rest = (group for group in groups if group and group.isdigit())
    month, day = rest
    return date(int(year), int(month), int(day))


def currency_from_cell(text: str) -> Currency:
    """ValueError for one that is not kept here."""
    found = _CURRENCIES.get(narrow(tidy(text)).upper())
    if found is None:
        raise ValueError(text)
    return found
