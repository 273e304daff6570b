"""A bank's statement as we understand it, whatever format it came in."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date

from whalefall.base.money import Currency


class StatementFormat(enum.StrEnum):
    ICBC = "icbc"
    """CSV of the Industrial and Commercial Bank of China's corporate banking."""
    CMB = "cmb"
    """CSV of China Merchants Bank's corporate banking."""
    CAMT_053 = "camt053"
    """ISO 20022 camt.053, versions 02 and 08."""


class Direction(enum.StrEnum):
    CREDIT = "credit"
    """Money came to our account."""
    DEBIT = "debit"
    """Money left it."""


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One movement on our account at the bank. Texts are single printable lines, maybe empty."""

    booked_on: date
    """The bank's own day of booking."""
    direction: Direction
    currency: Currency
    amount_nanos: int
    is_reversal: bool = False
    """The bank takes back an earlier entry of the other direction."""
    reference: str = ""
    """The bank's own number of the entry."""
    payer_name: str = ""
    """Who paid; of a debit, who was paid."""
    payer_account: str = ""
    credited_account: str = ""
    """The account the payer named, where the bank tells: a virtual account number."""
    text: str = ""
    """What the payer wrote."""
    line: int = field(default=0, compare=False)
    """Where the entry stands in its file."""


@dataclass(frozen=True, slots=True)
class Statement:
    format: StatementFormat
    account: str
    """The account it is of, empty where the file does not say."""
    entries: tuple[StatementEntry, ...]
