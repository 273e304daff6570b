"""What is printed: breaks of lines, amounts in words, and pages as a reader's program sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whalefall.base.money import Currency
from whalefall.billing.invoice_content import (
    CENT_NANOS,
    Buyer,
    InvoiceContent,
    InvoiceKind,
    InvoiceLine,
    Seller,
    TitleKind,
    UsageLine,
)
from whalefall.console.language import Language, load_catalogs
from whalefall.console.papers.amount_words import yuan_in_words
from whalefall.console.papers.invoice_paper import invoice_pdf
from whalefall.console.papers.line_breaks import CLOSING, OPENING, broken_lines
from whalefall.console.papers.sheet import Alphabet, Sheet, SheetTexts

CONTENT = InvoiceContent(
    kind=InvoiceKind.INVOICE,
    number="INV-2026-000001",
    issued_on="2026-01-15",
    language="zh-CN",
    currency=Currency.CNY,
    amount_nanos=120_305 * CENT_NANOS,
    tax_nanos=6810 * CENT_NANOS,
    seller=Seller("深蓝计算服务有限公司", "91990000MA00000001", tax_basis_points=600),
    buyer=Buyer(TitleKind.ENTERPRISE, "株洲镕堃喆龘䶮㼆科技有限公司", "91990000MA0000001X"),
    lines=(InvoiceLine("2026-01", 120_305 * CENT_NANOS),),
)
CATALOGS = load_catalogs()


def pages_of(content: InvoiceContent) -> list[str]:
    document = pypdfium2.PdfDocument(invoice_pdf(content, CATALOGS[Language(content.language)]))
    return [page.get_textpage().get_text_range() for page in document]


@pytest.mark.parametrize(
    ("cents", "words"),
    [
        (1, "壹分"),
        (10, "壹角整"),
        (100, "壹元整"),
        (1203, "壹拾贰元零叁分"),
        (120_305, "壹仟贰佰零叁元零伍分"),
        (1_000_000, "壹万元整"),
        (1_000_500_010, "壹仟万伍仟元壹角整"),
        (10_000_000_000, "壹亿元整"),
        (10_000_000_100, "壹亿零壹元整"),
        (10_001_000_000, "壹亿零壹万元整"),
        (2_030_045_067, "贰仟零叁拾万零肆佰伍拾元陆角柒分"),
    ],
)
def test_amounts_in_words(cents: int, words: str) -> None:
    assert yuan_in_words(cents * CENT_NANOS) == words


LETTERS = st.text(st.sampled_from("ab 中文（）。，“”1.,"), max_size=60).filter(
    lambda text: "  " not in text and text == text.strip()
)


@given(LETTERS, st.integers(4, 20))
def test_no_line_is_too_wide_and_no_letter_lost(text: str, width: int) -> None:
    lines = broken_lines(text, width, len)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= width for line in lines)


def test_marks_stay_where_they_belong() -> None:
    text = "很长的备注，没有空格也要换行。（附注）deep water runs 深水。" * 9
    lines = broken_lines(text, 24, len)
    assert len(lines) > 5
    assert not any(line[0] in CLOSING or line[-1] in OPENING for line in lines)
    assert broken_lines("one two three", 8, len) == ["one two", "three"]
    assert broken_lines("incomprehensible", 6, len) == ["incomp", "rehens", "ible"]
    assert broken_lines("", 6, len) == [""]


def test_the_title_is_found_in_the_file_with_rare_characters() -> None:
    (page,) = pages_of(CONTENT)
    assert CONTENT.buyer.title in page
    assert "壹仟贰佰零叁元零伍分" in page
    assert "¥1,134.95" in page
    assert "税额（6%）" in page


def test_many_lines_go_over_pages_and_each_says_which() -> None:
    usage = tuple(UsageLine(f"model-{index}", index, 1, 2, 3, 4) for index in range(90))
    pages = pages_of(replace(CONTENT, language="en", usage_month="2026-01", usage=usage))
    assert len(pages) >= 3
    for index, page in enumerate(pages):
        assert f"page {index + 1} of {len(pages)}" in page
        assert "Model" in page, "the heading is repeated"
    assert all(f"model-{index}" in "".join(pages) for index in range(90))


def test_only_the_characters_used_are_embedded() -> None:
    """The font has 8 MB; a page has some dozen characters of it."""
    drawn = invoice_pdf(CONTENT, CATALOGS[Language.CHINESE])
    assert b"NotoSansSC" in drawn
    assert len(drawn) < 60_000


def test_ink_is_where_text_should_be() -> None:
    """A renderer draws the long title as black marks in the right half, below the heading, and
    none of it outside the margins."""
    content = replace(CONTENT, buyer=replace(CONTENT.buyer, title="深" * 100))
    document = pypdfium2.PdfDocument(invoice_pdf(content, CATALOGS[Language.CHINESE]))
    image = document[0].render(scale=1).to_pil().convert("L")
    width, height = image.size
    right = image.crop((width // 2, 120, width - 50, 250))
    dark, light = right.getextrema()
    assert dark < 90
    assert light > 250
    margin = image.crop((width - 45, 0, width, height))
    assert margin.getextrema() == (255, 255)


def test_what_cannot_be_printed_is_named() -> None:
    alphabet = Alphabet()
    assert alphabet.unprintable("株洲镕堃喆龘䶮㼆 Größe\n¥€") == ""
    assert alphabet.unprintable("a😀b\u202e😀𠮷") == "😀\u202e𠮷"


def test_the_same_words_give_the_same_bytes() -> None:
    texts = SheetTexts("Title", "Author", "en", "{page}", date(2026, 1, 15))
    drawn = []
    for _ in range(2):
        sheet = Sheet(texts)
        sheet.section("深水 section")
        sheet.paragraph("words")
        drawn.append(sheet.content())
    assert drawn[0] == drawn[1]
