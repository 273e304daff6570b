"""The pure parts: charts, Markdown, the export's months, figures."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from whalefall.base.money import Currency
from whalefall.console.charts import HEIGHT, Series, stacked_bars
from whalefall.console.markdown import MarkdownRenderer
from whalefall.console.rendering import amount, money, share
from whalefall.console.routing import local_path
from whalefall.console.usage_export import Month, csv_bytes


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=31), st.integers(1, 8))
def test_bars_stay_inside_the_chart_and_stack_to_the_total(values: list[int], count: int) -> None:
    series = [Series(str(index), tuple(values)) for index in range(count)]
    labels = [str(index) for index in range(len(values))]
    chart = stacked_bars(labels, series, str)
    assert chart.is_empty == (not any(values))
    for bar in chart.bars:
        assert chart.left <= bar.x <= bar.x + bar.width <= chart.right + 0.1
        assert chart.top - 0.1 <= bar.y <= bar.y + bar.height <= chart.foot + 0.1
    assert len(chart.columns) == len(values)
    assert 2 <= len(chart.ticks) <= 7
    assert all(0 <= tick.position <= HEIGHT for tick in chart.ticks)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHN2Zz4=)",
        "[x](vbscript:x)",
        "[x](//evil.example)",
        "[x](/sign_out)",
        "![x](https://evil.example/track.png)",
        "<svg onload=alert(1)>",
        '[x](https://a.example "\\" onmouseover=\\"alert(1)")',
        "```html\n<script>alert(1)</script>\n```",
        '```"><script>alert(1)</script>\nx\n```',
        "<https://a.example/<script>>",
        "[a]: javascript:alert(1)\n\n[a]",
        "&#106;avascript:alert(1)",
    ],
)
def test_what_a_model_writes_runs_nothing_and_fetches_nothing(text: str) -> None:
    html = MarkdownRenderer().html(text).lower()
    for harm in ("<script", "<img", "<svg", "<iframe", 'href="javascript', 'href="data', 'href="/'):
        assert harm not in html, html
    assert not any(name.startswith("on") for name in _attributes(html)), html


class _Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names += [name for name, _ in attrs]


def _attributes(html: str) -> list[str]:
    parser = _Attributes()
    parser.feed(html)
    return parser.names


def test_links_lead_out_without_telling_from_where() -> None:
    html = MarkdownRenderer().html("[sea](https://example.org/?a=1&b=2)")
    assert 'href="https://example.org/?a=1&amp;b=2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_columns_are_aligned_without_inline_styles() -> None:
    html = MarkdownRenderer().html("| a | b | c |\n|:-:|--:|---|\n| 1 | 2 | 3 |")
    assert '<td class="align-center">1</td>' in html
    assert '<td class="align-right">2</td>' in html
    assert "style" not in html


def test_chinese_lines_of_our_own_texts_are_joined_without_a_space() -> None:
    own = MarkdownRenderer(is_own_text=True)
    assert own.html("余额不足，\n请充值") == "<p>余额不足，请充值</p>\n"
    assert own.html("see the\nlist") == "<p>see the\nlist</p>\n"
    assert own.html("返回\n`402`。") == "<p>返回\n<code>402</code>。</p>\n"


@given(st.text(max_size=300))
def test_blocks_joined_are_the_whole(text: str) -> None:
    renderer = MarkdownRenderer()
    assert "".join(renderer.blocks(text)) == renderer.html(text)


def test_months_follow_each_other() -> None:
    assert str(Month.from_text("2024-02").last_day) == "2024-02-29"
    assert str(Month.from_text("2025-12").following) == "2026-01"
    assert str(Month.from_text("2026-01").previous) == "2025-12"
    for odd in ("2026-00", "2026-13", "2026-1", "٢٠٢٦-٠١", "2026-01-01", "-001-01"):
        with pytest.raises(ValueError, match=r"month|range|must be"):
            Month.from_text(odd)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_formulas_are_made_inert(start: str) -> None:
    cell = csv_bytes([[f"{start}cmd"]]).decode("utf-8-sig")
    assert cell.lstrip('"').startswith("'")


def test_amounts_are_written_exactly() -> None:
    assert amount(1, Currency.CNY) == "¥0.000000001"
    assert amount(1_234_500_000_000, Currency.USD) == "$1,234.50"
    assert money(-1_999_999_999, Currency.CNY) == "-¥1.99"
    assert share(1, 3) == "33.3%"
    assert share(0, 0) == "–"


def test_only_local_paths_are_followed() -> None:
    assert local_path("/usage?month=2026-01", "/") == "/usage?month=2026-01"
    for odd in ("", None, "//evil", "/\\evil", "https://evil", "usage", "/a\nb", "/\t/evil"):
        assert local_path(odd, "/") == "/"
