"""Where a line of a paper ends. Words of alphabets stay whole as long as they fit; Chinese breaks
between any two characters, but a line neither begins with a closing mark nor ends with an opening
one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

CJK_FIRST = "\u2e80"
CLOSING = frozenset("，。、；：？！）》〉」』】〕’”％…,.;:?!)]}%")
OPENING = frozenset("（《〈「『【〔‘“([{")


def broken_lines(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """One line of text as lines that are at most so wide, and at least one character each."""
    lines: list[str] = []
    line = ""
    for whole in _pieces(text):
        piece = whole
        if line and measure(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        while measure(piece.rstrip()) > width and len(piece) > 1:
            fitting = _fitting(piece, width, measure)
            lines.append(piece[:fitting])
            piece = piece[fitting:]
        line += piece
    return [*lines, line.rstrip()] if line or not lines else lines


def _fitting(piece: str, width: float, measure: Callable[[str], float]) -> int:
    """How many characters of a word that is too long go on a line."""
    fitting = 1
    while fitting < len(piece) and measure(piece[: fitting + 1]) <= width:
        fitting += 1
    return fitting


def _pieces(text: str) -> Iterator[str]:
    """What is never broken: a word with the space behind it, or a Chinese character with the marks
    that belong to it."""
    piece = ""
    for letter in text:
        if piece and _may_break(piece[-1], letter):
            yield piece
            piece = ""
        piece += letter
    if piece:
        yield piece


def _may_break(before: str, after: str) -> bool:
    if after in CLOSING or before in OPENING or after == " ":
        return False
    return before == " " or before >= CJK_FIRST or after >= CJK_FIRST
