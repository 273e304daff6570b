"""The price book told in time: which price counted from when until when, or will. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from whalefall.base.money import Currency
from whalefall.billing.price_book import ListedPrice, PriceBook


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """A span in which a price can be charged without a break, in its hours if it has some."""

    entry: ListedPrice
    begins: datetime
    ends: datetime | None
    """Its own end, or the beginning of what goes before it."""

    def is_past(self, now: datetime) -> bool:
        return self.ends is not None and self.ends <= now

    def is_coming(self, now: datetime) -> bool:
        return self.begins > now


def timeline(book: PriceBook, model: str, currency: Currency) -> tuple[PricePeriod, ...]:
    """In the order of time. A price that is covered for a while has two periods, one that is
    always covered has none."""
    entries = [entry for entry in book.listed(model) if entry.price.currency is currency]
    ends = {entry.effective_to for entry in entries if entry.effective_to is not None}
    bounds = sorted({entry.effective_from for entry in entries} | ends)
    open_periods: dict[str, PricePeriod] = {}
    closed: list[PricePeriod] = []
    for bound in bounds:
        current = {entry.price.id: entry for entry in book.in_force(model, currency, bound)}
        over = [each for each in open_periods if each not in current]
        closed += [replace(open_periods.pop(each), ends=bound) for each in over]
        for price_id, entry in current.items():
            open_periods.setdefault(price_id, PricePeriod(entry, bound, None))
    found = [*closed, *open_periods.values()]
    return tuple(sorted(found, key=lambda each: (each.begins, each.entry.window is not None)))


def timelines(book: PriceBook, currency: Currency) -> tuple[PricePeriod, ...]:
    """Of every model, by its name."""
    return tuple(period for model in book.models() for period in timeline(book, model, currency))
