"""The price book of this process: the files as they were read at the start, under what operators
have announced since then. The one place where a book is exchanged for a newer one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from whalefall.base.errors import ServerError
from whalefall.billing.announced_prices import LIST_AGE_MAX, AnnouncedPrice, list_announced
from whalefall.billing.price_book import ANNOUNCED, ListedPrice, PriceBook
from whalefall.billing.price_windows import window_from_table


class CurrentPrices:
    """Safe to use from any thread: a book is never changed, only replaced."""

    def __init__(self, files: PriceBook) -> None:
        self.files = files
        self._book = files
        self._announced: tuple[AnnouncedPrice, ...] = ()
        self._read_at: datetime | None = None

    @property
    def book(self) -> PriceBook:
        """As it was read last."""
        return self._book

    def read(self, conn: Connection, now: datetime) -> PriceBook:
        """Read the announced prices anew. ServerError when they and the files contradict each
        other; the book is then none that could be charged by."""
        announced = tuple(list_announced(conn))
        if announced != self._announced:
            self._book = merged(self.files, announced)
            self._announced = announced
        self._read_at = now
        return self._book

    def for_charging(self, conn: Connection, now: datetime) -> PriceBook:
        """A book that is at most LIST_AGE_MAX old, read again where nobody has done so in time:
        whoever was cut off from the database does not charge by what it knew before."""
        if self._read_at is not None and timedelta(0) <= now - self._read_at <= LIST_AGE_MAX:
            return self._book
        return self.read(conn, now)


def merged(files: PriceBook, announced: Iterable[AnnouncedPrice]) -> PriceBook:
    """ServerError on a collision, and for a calendar that no file has any more."""
    return files.with_announced(listed_from_announced(files, each) for each in announced)


def listed_from_announced(files: PriceBook, announced: AnnouncedPrice) -> ListedPrice:
    window = None
    if announced.window_name is not None and announced.window_rule is not None:
        rule = json.loads(announced.window_rule)
        try:
            window = window_from_table(announced.window_name, rule, files.calendars)
        except ValueError as error:
            raise ServerError(f"the announced price {announced.id}: {error}") from error
    return ListedPrice(
        price=announced.price,
        effective_from=announced.effective_from,
        effective_to=announced.effective_to,
        window=window,
        note=announced.note,
        layer=files.operator_layer,
        source=ANNOUNCED,
    )
