"""`whalefall prices …`: what tokens cost, now and before, and rating the past again."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from whalefall.app import load_prices
from whalefall.base.clock import SystemClock
from whalefall.base.errors import PlatformError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.price_book import ListedPrice, PriceBook
from whalefall.billing.pricing import text_from_micros
from whalefall.billing.rerating import (
    Proposal,
    RatingRange,
    RatingRule,
    Run,
    apply_corrections,
    batches,
    propose,
)
from whalefall.cli.output import (
    AsJSON,
    DataDir,
    fail,
    open_database,
    settings_from,
    write_record,
    write_rows,
)
from whalefall.cli.users import user_by_email

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
    book = load_prices(settings_from())
    rows = [
        _row(entry, is_current=_is_current(book, entry, now))
        for entry in book.listed(model)
        if currency in (None, entry.price.currency)
    ]
    if not history:
        rows = [row for row in rows if row["current"]]
    write_rows("Prices per million tokens", rows, as_json=as_json)


@app.command()
def rerate(
    first: Annotated[str, typer.Option(help="First day (UTC), e.g. 2026-05-13.")],
    last: Annotated[str, typer.Option(help="Last day (UTC), included.")],
    user: Annotated[str | None, typer.Option(help="Only this user's requests.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model, as billed.")] = None,
    price: Annotated[str, typer.Option(help="A price of the list; else what it says now.")] = "",
    hit_percent: Annotated[int, typer.Option(help="Cached share of prompts, at least.")] = 0,
    apply: Annotated[bool, typer.Option(help="Credit the difference.")] = False,
    reason: Annotated[str, typer.Option(help="Shown to the users.")] = "correction",
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Work out again what past requests cost; a dry run unless --apply is given."""
    now = SystemClock().now()
    with open_database(data_dir) as database:
        owner = user_by_email(database, user).id if user else None
        book = load_prices(settings_from(data_dir=data_dir))
        try:
            span = RatingRange(date.fromisoformat(first), date.fromisoformat(last), owner, model)
            rule = RatingRule(price, hit_percent)
            proposal = database.run_read(propose, book, span, rule)
            run = Run(new_id("rerating"), reason, now, None)
            for batch in batches(proposal.corrections) if apply else ():
                database.run(apply_corrections, run, batch)
        except (PlatformError, ValueError) as error:
            fail(str(error))
    record = {
        "run": run.run_id if apply else None,
        "requests": proposal.num_requests,
        "corrected": len(proposal.corrections),
        **{f"credit_{name.value}": _credit(proposal, name) for name in Currency},
        "paid_too_little": proposal.num_dearer,
        "without_price": proposal.num_unpriced,
    }
    write_record("Re-rating" if apply else "Re-rating (dry run)", record, as_json=as_json)


def _credit(proposal: Proposal, currency: Currency) -> str:
    nanos = [each.credit_nanos for each in proposal.corrections if each.currency is currency]
    return text_from_nanos(sum(nanos), 9)


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
