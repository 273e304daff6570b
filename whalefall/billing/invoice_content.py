"""What stands on an invoice or a credit note: written once, kept as text, proven by its digest.

Whoever prints it needs nothing else. Amounts are whole hundredths of the currency, because no
paper shows less; they are kept in nanos all the same."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

import msgspec

from whalefall.base.money import Currency

CENT_NANOS = 10_000_000
BASIS_POINTS = 10_000


class InvoiceKind(enum.StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class TitleKind(enum.StrEnum):
    PERSONAL = "personal"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Seller:
    """The company that runs this server."""

    name: str = ""
    tax_number: str = ""
    address: str = ""
    bank: str = ""
    bank_account: str = ""
    tax_basis_points: int = 0
    """The tax that is inside every price: 600 are 6 percent. Zero: none is shown."""


@dataclass(frozen=True, slots=True)
class Buyer:
    title_kind: TitleKind
    title: str
    tax_number: str = ""
    """Of an enterprise."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    month: str
    """`2026-01`: whose usage it is; empty where the customer chose an amount."""
    amount_nanos: int


@dataclass(frozen=True, slots=True)
class UsageLine:
    """A model's part in the usage of a month, for the detail below the lines."""

    model: str
    num_requests: int
    hit_tokens: int
    miss_tokens: int
    output_tokens: int
    paid_nanos: int


@dataclass(frozen=True, slots=True)
class InvoiceContent:
    kind: InvoiceKind
    number: str
    issued_on: str
    """The local day, `2026-01-15`."""
    language: str
    currency: Currency
    amount_nanos: int
    """With the tax. A credit note gives so much back."""
    tax_nanos: int
    seller: Seller
    buyer: Buyer
    lines: tuple[InvoiceLine, ...]
    remarks: str = ""
    usage_month: str = ""
    usage: tuple[UsageLine, ...] = ()
    corrects: str = ""
    """Of a credit note: the number of the invoice it corrects."""
    reason: str = ""
    """Of a credit note."""

    @property
    def net_nanos(self) -> int:
        return self.amount_nanos - self.tax_nanos


def included_tax(amount_nanos: int, tax_basis_points: int) -> int:
    """The tax inside an amount, in whole hundredths, half of one rounded up."""
    assert amount_nanos % CENT_NANOS == 0
    cents = amount_nanos // CENT_NANOS
    whole = BASIS_POINTS + tax_basis_points
    return (2 * cents * tax_basis_points + whole) // (2 * whole) * CENT_NANOS


def text_from_content(content: InvoiceContent) -> str:
    return msgspec.json.encode(content, order="deterministic").decode()


def content_from_text(text: str) -> InvoiceContent:
    return msgspec.json.decode(text, type=InvoiceContent)


def digest_of(content: str | bytes) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()
