"""A sheet of A4 with the platform's type: Noto Sans SC, which a package of the index brings under
the SIL Open Font License. Of the font only the characters used are embedded.

The same words give the same bytes: no clock and no chance goes into a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, TableHeadingsDisplay, WrapMode, XPos, YPos
from fpdf.fonts import FontFace
from pylopdf_fonts_zh_cn import sans_path
from typing_extensions import override

from whalefall.console.papers.line_breaks import broken_lines

FONT = "sans"
MARGIN_MM = 20
INK = (31, 35, 41)
SOFT = (101, 109, 118)
LINE = (208, 213, 219)


@dataclass(frozen=True, slots=True)
class SheetTexts:
    """What goes around the content."""

    title: str
    """In the properties of the file."""
    author: str
    language: str
    foot: str
    """At the foot of every page, with `{page}` and `{pages}`."""
    made_on: date


class Alphabet:
    """The characters that can be printed. The font is read at the first question."""

    def unprintable(self, text: str) -> str:
        """Those of the text that cannot be, each once; a line's end is no character."""
        return "".join(dict.fromkeys(each for each in text if each not in self._known))

    @cached_property
    def _known(self) -> frozenset[str]:
        with TTFont(sans_path(), lazy=True) as font:
            return frozenset(map(chr, font.getBestCmap())) | {"\n"}


class Sheet(FPDF):
    """Headings, facts, tables and paragraphs, one below the other, over as many pages as needed."""

    def __init__(self, texts: SheetTexts) -> None:
        super().__init__(format="A4")
        self._texts = texts
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(True, margin=MARGIN_MM + 5)
        self.set_title(texts.title)
        self.set_author(texts.author)
        self.set_producer("Whalefall")
        self.set_lang(texts.language)
        self.set_creation_date(datetime.combine(texts.made_on, time(), UTC))
        self.add_font(FONT, fname=sans_path())
        self.alias_nb_pages("{pages}")
        self.add_page()
        self.set_draw_color(*LINE)

    @override
    def footer(self) -> None:
        self.set_y(-MARGIN_MM)
        self._style(8, SOFT)
        foot = self._texts.foot.replace("{page}", str(self.page_no()))
        self.cell(0, 5, foot, align="C")

    def head(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        """A large title on the left, a few short facts on the right."""
        top = self.get_y()
        self._style(24, INK)
        self.cell(90, 12, title)
        for place, (name, value) in enumerate(facts):
            self.set_xy(110, top + place * 6)
            self._style(9, SOFT)
            self.cell(35, 6, name)
            self._style(10, INK)
            self.cell(45, 6, value, align="R")
        self.set_xy(self.l_margin, top + max(14, len(facts) * 6) + 8)

    def columns(self, blocks: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Blocks of lines beside each other, each below its heading."""
        top, lowest = self.get_y(), self.get_y()
        width = self.epw / len(blocks)
        for place, (name, lines) in enumerate(blocks):
            left = self.l_margin + place * width
            self.set_xy(left, top)
            self._style(9, SOFT)
            self.cell(width, 6, name, new_x=XPos.LEFT, new_y=YPos.NEXT)
            for index, line in enumerate(line for line in lines if line):
                self.set_x(left)
                self._style(11 if index == 0 else 9, INK)
                self._wrapped(width - 6, 6 if index == 0 else 5, line)
            lowest = max(lowest, self.get_y())
        self.set_xy(self.l_margin, lowest + 8)

    def rows(
        self, heading: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
    ) -> None:
        """A table that repeats its heading on every page: texts on the left in the first column,
        figures on the right in the others."""
        self._style(9, INK)
        with self.table(
            col_widths=tuple(widths),
            text_align=("LEFT", *["RIGHT"] * (len(widths) - 1)),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(color=SOFT, emphasis=""),
            line_height=5.5,
            padding=1.2,
            first_row_as_headings=True,
            repeat_headings=TableHeadingsDisplay.ON_TOP_OF_EVERY_PAGE,
            wrapmode=WrapMode.CHAR,
        ) as table:
            for cells in (heading, *rows):
                row = table.row()
                for cell in cells:
                    row.cell(cell)
        self.ln(4)

    def sums(self, sums: Sequence[tuple[str, str]]) -> None:
        """Below a table: names and figures on the right, the last one large."""
        for place, (name, value) in enumerate(sums):
            is_last = place == len(sums) - 1
            self.set_x(110)
            self._style(10 if is_last else 9, SOFT)
            self.cell(40, 8 if is_last else 6, name)
            self._style(14 if is_last else 10, INK)
            self.cell(40, 8 if is_last else 6, value, align="R")
            self.ln()
        self.ln(4)

    def section(self, name: str) -> None:
        self._keep_together(25)
        self.ln(3)
        self._style(12, INK)
        self._wrapped(self.epw, 7, name)
        self.ln(1)

    def paragraph(self, text: str, *, is_faint: bool = False) -> None:
        for line in text.split("\n"):
            self._style(9 if is_faint else 10, SOFT if is_faint else INK)
            self._wrapped(self.epw, 5.5, line or " ")
        self.ln(2)

    def content(self) -> bytes:
        target = io.BytesIO()
        self.output(target)
        return target.getvalue()

    def _keep_together(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def _style(self, size: int, colour: tuple[int, int, int]) -> None:
        self.set_font(FONT, size=size)
        self.set_text_color(*colour)

    def _wrapped(self, width: float, height: float, text: str) -> None:
        left = self.get_x()
        room = width - 2 * self.c_margin
        for line in broken_lines(text, room, self.get_string_width):
            self.cell(width, height, line, new_x=XPos.LEFT, new_y=YPos.NEXT)
        self.set_x(left)
