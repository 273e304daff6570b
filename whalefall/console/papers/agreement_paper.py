"""The framework agreement as a PDF: a template with both names in it and lines to sign on."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from whalefall.billing.invoice_content import Seller
from whalefall.console.language import Language
from whalefall.console.papers.sheet import Sheet, SheetTexts

AGREEMENTS_DIRECTORY = Path(__file__).parent.parent / "agreements"
BLANK = "________________"
VERSION_DAY = date(2026, 11, 28)
"""Of the wording. A change of it is another day."""
FEET = {
    Language.ENGLISH: "Template · page {page} of {pages}",
    Language.CHINESE: "范本 · 第 {page} 页，共 {pages} 页",
}


def agreement_pdf(language: Language, seller: Seller, customer: str) -> bytes:
    """In the words of agreements/<language>.md: a heading per line that begins with `#`, a
    paragraph per other line."""
    text = (AGREEMENTS_DIRECTORY / f"{language}.md").read_text("utf-8")
    values = {
        "operator_name": seller.name,
        "operator_tax_number": seller.tax_number,
        "operator_address": seller.address,
        "operator_account": " ".join(part for part in (seller.bank, seller.bank_account) if part),
        "customer_name": customer,
        "version": VERSION_DAY.isoformat(),
    }
    lines = [line for line in text.splitlines() if line.strip()]
    title = lines[0].removeprefix("# ")
    sheet = Sheet(SheetTexts(title, seller.name, language.value, FEET[language], VERSION_DAY))
    sheet.head(title, [])
    for line in lines[1:]:
        # A name is put in last and once, so that braces in it are only braces.
        filled = "".join(
            (values[part] or BLANK) if index % 2 else part
            for index, part in enumerate(line.replace("}", "{").split("{"))
        )
        if filled.startswith("## "):
            sheet.section(filled.removeprefix("## "))
        else:
            sheet.paragraph(filled)
    return sheet.content()
