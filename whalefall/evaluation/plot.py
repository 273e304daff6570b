"""The report as one SVG: a bar per skill with its interval and the goal, and the needles by length.

Plain shapes with colours of their own, so that it shows anywhere an image does; it needs no
library, and follows the reader's dark mode where the viewer tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from whalefall.evaluation.report import NeedleLength, Report
from whalefall.evaluation.shares import Share

WIDTH = 760
_LEFT = 220
_RIGHT = 92
_ROW = 26
_BAR = 14
_TOP = 64
_GAP = 74
_NEEDLE_ROW = 40
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2937; }
.title { font-size: 15px; font-weight: 600; }
.faint { fill: #6b7280; }
.paper { fill: #ffffff; }
.grid { stroke: #e5e7eb; }
.bar { fill: #4d6bfe; }
.below { fill: #e08a3c; }
.dense { fill: #94a3b8; }
.reach { stroke: #1f2937; stroke-width: 1.5; }
.goal { stroke: #0f9d6b; stroke-width: 1.5; stroke-dasharray: 5 4; }
.goal-word { fill: #0f9d6b; }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e7eb; } .faint { fill: #9ca3af; } .paper { fill: #111827; }
  .grid { stroke: #374151; } .reach { stroke: #e5e7eb; } .dense { fill: #64748b; }
}
"""


def as_svg(report: Report) -> str:
    skills, needles = report.skills, report.needle_lengths
    foot = _TOP + _ROW * len(skills)
    height = foot + 44 + (_GAP + _NEEDLE_ROW * len(needles) if needles else 0)
    shapes = [
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        _text(16, 26, "Right answers to held-out questions", "title"),
        _text(16, 45, "share of each skill, with its 95 % interval", "faint"),
        *_grid(_TOP, foot),
        *_skill_bars(skills, report.goal),
        *_goal(report.goal, foot),
    ]
    if needles:
        shapes += _needle_part(needles, foot + _GAP)
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>Right answers by skill</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _skill_bars(skills: dict[str, Share], goal: float) -> Iterator[str]:
    for place, (label, share) in enumerate(skills.items()):
        y = _TOP + place * _ROW + (_ROW - _BAR) / 2
        yield _text(_LEFT - 10, y + _BAR - 3, label, anchor="end")
        yield from _bar(share, y, _BAR, "bar" if share.rate >= goal else "below")


def _needle_part(needles: Sequence[NeedleLength], top: float) -> Iterator[str]:
    rows = top + 22
    foot = rows + _NEEDLE_ROW * len(needles)
    yield _text(16, top, "Finding a needle, by tokens of text", "title")
    for place, (css, word) in enumerate((("bar", "DSA on"), ("dense", "dense"))):
        x = WIDTH - _RIGHT - 150 + place * 90
        yield f'<rect class="{css}" x="{x}" y="{top - 10}" width="11" height="11" rx="2"/>'
        yield _text(x + 17, top, word)
    yield from _grid(rows, foot)
    for place, needle in enumerate(needles):
        y = rows + place * _NEEDLE_ROW + 6
        yield _text(_LEFT - 10, y + 18, f"{needle.num_tokens:,}", anchor="end")
        yield from _bar(needle.sparse, y, 12, "bar")
        if needle.dense is not None:
            yield from _bar(needle.dense, y + 15, 12, "dense")


def _bar(share: Share, y: float, height: float, css: str) -> Iterator[str]:
    low, high = share.interval
    middle = y + height / 2
    width = max(_x(share.rate) - _LEFT, 1)
    yield (
        f'<rect class="{css}" x="{_LEFT}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="2"/>'
    )
    yield _line("reach", _x(low), middle, _x(high), middle)
    for end in (low, high):
        yield _line("reach", _x(end), middle - 3, _x(end), middle + 3)
    figure = f"{share.rate:.0%}  {share.right}/{share.asked}"
    yield _text(WIDTH - _RIGHT + 10, y + height - 2, figure, "faint")


def _grid(top: float, foot: float) -> Iterator[str]:
    for percent in range(0, 101, 25):
        x = _x(percent / 100)
        yield _line("grid", x, top, x, foot + 4)
        yield _text(x, foot + 18, f"{percent} %", "faint", "middle")


def _goal(goal: float, foot: float) -> Iterator[str]:
    yield _line("goal", _x(goal), _TOP - 8, _x(goal), foot)
    yield _text(_x(goal), _TOP - 13, f"goal {goal:.0%}", "goal-word", "middle")


def _x(rate: float) -> float:
    return _LEFT + rate * (WIDTH - _LEFT - _RIGHT)


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, css: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}" '
        f'xml:space="preserve">{escape(text)}</text>'
    )
