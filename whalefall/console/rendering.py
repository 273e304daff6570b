"""Templates to HTML, one environment per language. Everything is escaped; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.pricing import text_from_micros
from whalefall.console.assets import Assets
from whalefall.console.charts import BarChart, Column, Series, stacked_bars
from whalefall.console.language import Catalog, Language, mark
from whalefall.console.markdown import MarkdownRenderer

TEMPLATE_DIRECTORY = Path(__file__).parent / "templates"
PLATFORM_LINKS = (
    ("/chat", mark("Chat")),
    ("/playground", mark("Playground")),
    ("/pricing", mark("Pricing")),
    ("/help", mark("Help")),
    ("/news", mark("News")),
    ("/status", mark("Status")),
    ("/tickets", mark("Tickets")),
)
OPERATOR_LINKS = (
    ("/operator/overview", mark("Overview")),
    ("/operator/users", mark("Users")),
    ("/operator/verifications", mark("Verifications")),
    ("/operator/tickets", mark("All tickets")),
    ("/operator/payments", mark("Online payments")),
    ("/operator/transfers", mark("Bank transfers")),
    ("/operator/refunds", mark("Refunds")),
    ("/operator/invoices", mark("Invoices of all")),
    ("/operator/codes", mark("Codes")),
    ("/operator/ledger", mark("Ledger")),
    ("/operator/reconciliation", mark("Reconciliation")),
    ("/operator/prices", mark("Prices")),
    ("/operator/rerating", mark("Re-rating")),
    ("/operator/models", mark("Models")),
    ("/operator/announcements", mark("Announcements")),
    ("/operator/outbox", mark("Outbox")),
    ("/operator/audit", mark("Audit log")),
)
SYMBOLS = {Currency.CNY: "¥", Currency.USD: "$"}


class Renderer:
    def __init__(
        self, catalogs: Mapping[Language, Catalog], assets: Assets, markdown: MarkdownRenderer
    ) -> None:
        self._environments = {
            language: _environment(catalog, assets, markdown)
            for language, catalog in catalogs.items()
        }

    def render(self, template: str, language: Language, values: Mapping[str, Any]) -> str:
        return self._environments[language].get_template(template).render(values)


def _environment(catalog: Catalog, assets: Assets, markdown: MarkdownRenderer) -> Environment:
    guides = MarkdownRenderer(is_own_text=True)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_DIRECTORY),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        catalog.gettext, catalog.ngettext, newstyle=True
    )
    environment.globals.update(
        asset=assets.url,
        languages=tuple(Language),
        platform_links=PLATFORM_LINKS,
        operator_links=OPERATOR_LINKS,
        money_bars=money_bars,
        count_bars=count_bars,
        money_figures=money_figures,
        count_figures=count_figures,
        percent_bars=percent_bars,
        slot_bars=slot_bars,
        speed_bars=speed_bars,
        speed_figures=speed_figures,
        has_value=has_value,
        column_tip=column_tip,
        markdown=lambda text: Markup(markdown.html(text)),  # noqa: S704 - it is made to be safe
        guide=lambda text: Markup(guides.html(text)),  # noqa: S704 - our own text
    )
    environment.filters.update(
        money=money,
        amount=amount,
        symbol=symbol,
        figure=text_from_micros,
        plain=plain,
        count=count,
        share=share,
        instant=instant,
        day=day,
        translated=catalog.gettext,
    )
    return environment


def money(nanos: int, currency: Currency, places: int = 2) -> str:
    """`¥12.34`, rounded towards zero."""
    sign = "-" if nanos < 0 else ""
    return f"{sign}{SYMBOLS[currency]}{grouped(text_from_nanos(abs(nanos), places))}"


def amount(nanos: int, currency: Currency) -> str:
    """As many decimals as the amount has, at least two: small charges stay visible."""
    text = text_from_nanos(abs(nanos), 9).rstrip("0")
    whole, _, decimals = text.partition(".")
    sign = "-" if nanos < 0 else ""
    return f"{sign}{SYMBOLS[currency]}{grouped(whole)}.{decimals.ljust(2, '0')}"


def symbol(micros: int, currency: Currency) -> str:
    """A price per million tokens: `$0.028`."""
    return SYMBOLS[currency] + text_from_micros(micros)


def plain(nanos: int) -> str:
    """An amount as one types it."""
    return f"{Decimal(nanos).scaleb(-9).normalize():f}"


def money_bars(days: Sequence[date], series: Sequence[Series], currency: Currency) -> BarChart:
    return stacked_bars(_day_labels(days), series, lambda nanos: amount(nanos, currency))


def count_bars(days: Sequence[date], series: Sequence[Series]) -> BarChart:
    return stacked_bars(_day_labels(days), series, count)


def percent_bars(days: Sequence[date], series: Sequence[Series]) -> BarChart:
    """Of tenths of a percent."""
    return stacked_bars(_day_labels(days), series, lambda tenths: f"{tenths / 10:.1f}%")


def slot_bars(slots: Sequence[datetime], series: Sequence[Series]) -> BarChart:
    return stacked_bars([slot.strftime("%H:%M") for slot in slots], series, count)


def speed_bars(slots: Sequence[datetime], series: Sequence[Series]) -> BarChart:
    """Of thousandths of a token per second."""
    return stacked_bars([slot.strftime("%H:%M") for slot in slots], series, speed)


def speed_figures(series: Sequence[Series]) -> list[tuple[str, str]]:
    """Each name with its mean over the slots in which something was generated."""
    return [
        (each.name, speed(each.total // max(1, sum(value > 0 for value in each.values))))
        for each in series
    ]


def speed(milli: int) -> str:
    return f"{milli / 1000:,.1f}"


def money_figures(series: Sequence[Series], currency: Currency) -> list[tuple[str, str]]:
    """What a legend says: each name with its total."""
    return [(each.name, amount(each.total, currency)) for each in series]


def count_figures(series: Sequence[Series]) -> list[tuple[str, str]]:
    return [(each.name, count(each.total)) for each in series]


def has_value(series: Sequence[Series], index: int) -> bool:
    return any(each.values[index] for each in series)


def column_tip(column: Column, names: Mapping[str, str], total: str, tone: str) -> str:
    """What is shown under the pointer, as JSON for a data attribute."""
    head = [{"colour": "", "name": column.label, "figure": ""}]
    lines = [
        {"colour": f"{tone}{colour}", "name": str(names.get(name, name)), "figure": figure}
        for colour, name, figure in column.lines
    ]
    foot = [{"colour": "", "name": str(total), "figure": column.total}] if len(lines) != 1 else []
    return msgspec.json.encode([*head, *lines, *foot]).decode()


def _day_labels(days: Sequence[date]) -> list[str]:
    return [f"{day.month}-{day.day}" for day in days]


def grouped(text: str) -> str:
    whole, dot, decimals = text.partition(".")
    return f"{int(whole):,}{dot}{decimals}"


def count(number: int) -> str:
    return f"{number:,}"


def share(part: int, whole: int) -> str:
    """A percentage with one decimal; a dash where there is nothing to divide."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def instant(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M")


def day(value: date) -> str:
    return value.strftime("%Y-%m-%d")
