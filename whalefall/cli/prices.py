"""`whalefall prices …`: what tokens cost, cost before and will cost, and rating the past again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import make_url

from whalefall.app import current_prices, load_prices, priced_names
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.announced_prices import AnnouncedPrice, told, withdraw_price
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.price_book import ListedPrice, PriceBook
from whalefall.billing.price_changes import PriceOrder, compare
from whalefall.billing.price_changes import announce as announce_price
from whalefall.billing.price_texts import PriceTexts, draft_from_texts
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
from whalefall.cli.audited import COMMAND_LINE, Deed, run_audited
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
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Show the prices in force; with --all the whole list."""
    now = SystemClock().now()
    book = _book(data_dir)
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
        book = current_prices(settings_from(data_dir=data_dir), database, SystemClock()).book
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


@app.command()
def announce(
    model: Annotated[str, typer.Argument(help="The name people are charged for.")],
    hit: Annotated[str, typer.Option(help="Input found in the cache, per million, e.g. 0.28.")],
    miss: Annotated[str, typer.Option(help="Other input.")],
    output: Annotated[str, typer.Option(help="Output.")],
    start: Annotated[str, typer.Option("--from", help="E.g. 2027-01-31T16:00, in UTC.")],
    end: Annotated[str, typer.Option("--until", help="Empty: until another one begins.")] = "",
    window: Annotated[str, typer.Option(help="Hours of the price list, by name.")] = "",
    note: Annotated[str, typer.Option(help="Shown to everyone.")] = "",
    currency: Annotated[Currency, typer.Option(help="Of the figures.")] = Currency.CNY,
    apply: Annotated[bool, typer.Option(help="Announce it.")] = False,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Announce a price that is in force later; a look at it beside the old one unless --apply."""
    settings = settings_from(data_dir=data_dir)
    now = SystemClock().now()
    texts = PriceTexts(model, currency, hit, miss, output, start, end, window, note)
    with open_database(data_dir) as database:
        try:
            prices = current_prices(settings, database, SystemClock())
            order = PriceOrder(draft_from_texts(texts), priced_names(settings))
            change = compare(prices.book, order, now)
            order = replace(order, digest=change.digest)
            made = _announce(database, prices, order, now) if apply else None
        except PlatformError as error:
            fail(error.message)
    record = {
        "id": made.id if made else None,
        "replaces": [_figures(entry) for entry in change.before],
        "then": [_figures(entry) for entry in change.after],
        "from": change.draft.effective_from.isoformat(),
        "to": change.ends.isoformat() if change.ends else None,
        "never_in_force": [entry.price.id for entry in change.displaced],
    }
    write_record("Announced" if apply else "Price (not announced)", record, as_json=as_json)


@app.command()
def withdraw(
    announced_id: Annotated[str, typer.Argument(help="As `announce` and `show --all` tell it.")],
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Withdraw an announced price, until two minutes before it is in force."""
    name = announced_id.partition("/")[0]
    with open_database(data_dir) as database:
        deed: Deed[AnnouncedPrice] = Deed("price.withdrawn", lambda done: done.id)
        try:
            gone = run_audited(database, deed, withdraw_price, name, SystemClock().now())
        except PlatformError as error:
            fail(error.message)
    write_record("Withdrawn", {"id": gone.id, "price": gone.price.id}, as_json=as_json)


def _book(data_dir: Path | None) -> PriceBook:
    """With what was announced, where there is a database already; a look makes none."""
    settings = settings_from(data_dir=data_dir)
    url = make_url(settings.resolved_database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return load_prices(settings)
    with open_database(data_dir) as database:
        return current_prices(settings, database, SystemClock()).book


def _announce(
    database: Database, prices: CurrentPrices, order: PriceOrder, now: datetime
) -> AnnouncedPrice:
    deed: Deed[AnnouncedPrice] = Deed("price.announced", lambda done: done.id, told(order.draft))
    return run_audited(database, deed, announce_price, prices, order, COMMAND_LINE.email, now)


def _figures(entry: ListedPrice) -> str:
    price = entry.price
    figures = (price.hit_micros, price.miss_micros, price.output_micros)
    hours = f" in {entry.window.name}" if entry.window else ""
    return " / ".join(map(text_from_micros, figures)) + hours


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
        "source": entry.source,
        "note": entry.note,
    }
