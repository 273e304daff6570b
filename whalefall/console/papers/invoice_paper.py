"""An invoice or a credit note as a PDF, from nothing but its frozen content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from whalefall.base.money import Currency
from whalefall.billing.invoice_content import (
    BASIS_POINTS,
    InvoiceContent,
    InvoiceKind,
    InvoiceLine,
)
from whalefall.console.language import Catalog, Language, mark
from whalefall.console.papers.amount_words import yuan_in_words
from whalefall.console.papers.sheet import Sheet, SheetTexts
from whalefall.console.rendering import amount, count

TITLES = {
    InvoiceKind.INVOICE: mark("Invoice"),
    InvoiceKind.CREDIT_NOTE: mark("Credit note"),
}


def invoice_pdf(content: InvoiceContent, catalog: Catalog) -> bytes:
    """`catalog` is that of the content's language."""
    say = catalog.gettext
    title = say(TITLES[content.kind])
    sheet = Sheet(
        SheetTexts(
            title=f"{title} {content.number}",
            author=content.seller.name,
            language=content.language,
            foot=f"{content.number} · " + say(mark("page {page} of {pages}")),
            made_on=date.fromisoformat(content.issued_on),
        )
    )
    sheet.head(title, _facts(content, catalog))
    sheet.columns(
        [
            (say(mark("Issued by")), _seller_lines(content, catalog)),
            (say(mark("Issued to")), _buyer_lines(content, catalog)),
        ]
    )
    sheet.rows(
        [say(mark("Service")), say(mark("Month")), say(mark("Amount"))],
        [_line(line, content, catalog) for line in content.lines],
        (100, 30, 40),
    )
    sheet.sums(_sums(content, catalog))
    if content.reason:
        sheet.section(say(mark("Reason")))
        sheet.paragraph(say(content.reason))
    if content.remarks:
        sheet.section(say(mark("Remarks")))
        sheet.paragraph(content.remarks)
    if content.usage:
        _add_usage(sheet, content, catalog)
    return sheet.content()


def catalog_language(content: InvoiceContent) -> Language:
    is_chinese = content.language == Language.CHINESE.value
    return Language.CHINESE if is_chinese else Language.ENGLISH


def _facts(content: InvoiceContent, catalog: Catalog) -> list[tuple[str, str]]:
    say = catalog.gettext
    facts = [
        (say(mark("Document number")), content.number),
        (say(mark("Date")), content.issued_on),
        (say(mark("Currency")), content.currency.value),
    ]
    if content.corrects:
        facts.append((say(mark("Corrects invoice")), content.corrects))
    return facts


def _seller_lines(content: InvoiceContent, catalog: Catalog) -> list[str]:
    seller = content.seller
    say = catalog.gettext
    account = " ".join(part for part in (seller.bank, seller.bank_account) if part)
    return [
        seller.name,
        f"{say(mark('Tax number'))} {seller.tax_number}" if seller.tax_number else "",
        seller.address,
        account,
    ]


def _buyer_lines(content: InvoiceContent, catalog: Catalog) -> list[str]:
    number = content.buyer.tax_number
    return [
        content.buyer.title,
        f"{catalog.gettext(mark('Tax number'))} {number}" if number else "",
    ]


def _line(line: InvoiceLine, content: InvoiceContent, catalog: Catalog) -> list[str]:
    service = catalog.gettext(mark("Use of language models by API, prepaid"))
    return [service, line.month or "–", _signed(line.amount_nanos, content)]


def _sums(content: InvoiceContent, catalog: Catalog) -> Sequence[tuple[str, str]]:
    say = catalog.gettext
    sums: list[tuple[str, str]] = []
    points = content.seller.tax_basis_points
    if points:
        percent = f"{(Decimal(points) * 100 / BASIS_POINTS).normalize():f}"
        sums.append((say(mark("Without tax")), _signed(content.net_nanos, content)))
        tax = say(mark("Tax at %(percent)s %%")) % {"percent": percent}
        sums.append((tax, _signed(content.tax_nanos, content)))
    if content.currency is Currency.CNY and content.language == Language.CHINESE.value:
        sums.append(("大写", yuan_in_words(content.amount_nanos)))
    return [*sums, (say(mark("Total")), _signed(content.amount_nanos, content))]


def _signed(nanos: int, content: InvoiceContent) -> str:
    """A credit note gives back."""
    sign = -1 if content.kind is InvoiceKind.CREDIT_NOTE else 1
    return amount(sign * nanos, content.currency)


def _add_usage(sheet: Sheet, content: InvoiceContent, catalog: Catalog) -> None:
    say = catalog.gettext
    sheet.section(say(mark("Usage in %(month)s (UTC)")) % {"month": content.usage_month})
    sheet.rows(
        [
            say(mark("Model")),
            say(mark("Requests")),
            say(mark("Input, cached")),
            say(mark("Input, other")),
            say(mark("Output")),
            say(mark("Paid")),
        ],
        [
            [
                each.model,
                count(each.num_requests),
                count(each.hit_tokens),
                count(each.miss_tokens),
                count(each.output_tokens),
                amount(each.paid_nanos, content.currency),
            ]
            for each in content.usage
        ],
        (50, 20, 26, 26, 26, 30),
    )
    note = mark(
        "Tokens, and what was paid for them with topped-up money; granted balance is not part of "
        "it. The invoice covers the amount above, which may be a part of the month."
    )
    sheet.paragraph(say(note), is_faint=True)
