"""`whalefall prices show`: what tokens cost, now and before."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from whalefall.base.clock import SystemClock
from whalefall.base.money import Currency
from whalefall.billing.price_book import ListedPrice, PriceBook
from whalefall.billing.pricing import text_from_micros
from whalefall.cli.output import AsJSON, write_rows

app = typer.Typer(help="Prices per million tokens.", no_args_is_help=True)


@app.command()
def show(
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    currency: Annotated[Currency | None, typer.Option(help="Only this currency.")] = None,
    history: Annotated[bool, typer.Option("--all", help="Past and future prices too.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Show the prices in force; with --all the whole list."""
    now = SystemClock().now()
    book = PriceBook.load()
    rows = [
        _row(entry, is_current=_is_current(book, entry, now))
        for entry in book.listed(model)
        if currency in (None, entry.price.currency)
    ]
    if not history:
        rows = [row for row in rows if row["current"]]
    write_rows("Prices per million tokens", rows, as_json=as_json)


def _is_current(book: PriceBook, entry: ListedPrice, now: datetime) -> bool:
    if not entry.holds_at(now):
        return False
    return book.price_at(entry.price.model, entry.price.currency, now) == entry.price


def _row(entry: ListedPrice, *, is_current: bool) -> dict[str, object]:
    price = entry.price
    return {
        "id": price.id,
        "model": price.model,
        "currency": price.currency.value,
        "cache_hit": text_from_micros(price.hit_micros),
        "cache_miss": text_from_micros(price.miss_micros),
        "output": text_from_micros(price.output_micros),
        "from": entry.effective_from.isoformat(),
        "to": entry.effective_to.isoformat() if entry.effective_to else None,
        "only_in_window": entry.window is not None,
        "current": is_current,
        "note": entry.note,
    }
