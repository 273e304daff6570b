"""A change of price, from the draft to the announcement: checked, laid beside what it replaces, and
then announced exactly as it was looked at."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from whalefall.base.errors import InvalidRequestError
from whalefall.billing.announced_prices import (
    LEAD_TIME,
    AnnouncedPrice,
    PriceDraft,
    announced_price,
    keep_announced,
)
from whalefall.billing.current_prices import CurrentPrices, listed_from_announced
from whalefall.billing.price_book import ListedPrice, PriceBook, collide
from whalefall.billing.price_timeline import timeline
from whalefall.billing.price_windows import PriceWindow
from whalefall.billing.pricing import PRICE_MICROS_MAX

AHEAD_MAX = timedelta(days=3650)
NOTE_LENGTH_MAX = 200
_MODEL_NAME = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True, slots=True)
class PriceOrder:
    """A draft as somebody asks for it."""

    draft: PriceDraft
    models: Collection[str] = ()
    """Names one may be charged for beside those the price book knows."""
    digest: str = ""
    """Of the comparison that was looked at; empty: of none."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A draft beside what it would replace."""

    draft: PriceDraft
    before: tuple[ListedPrice, ...]
    """What would be charged from that instant on without it: hours first, then the plain price."""
    after: tuple[ListedPrice, ...]
    ends: datetime | None
    """When something else goes before it: its own end, or a price that is listed for later."""
    displaced: tuple[ListedPrice, ...]
    """Prices that were still to come and now never would be in force."""
    digest: str
    """Of all of this. Another one at the announcement: something has changed in between."""


def compare(book: PriceBook, order: PriceOrder, now: datetime) -> PriceChange:
    """What the draft would change. InvalidRequestError when it cannot be announced."""
    draft = order.draft
    check_order(book, order, now)
    added = listed_from_announced(book, announced_price(draft, _window(book, draft), "", now))
    if any(collide(added, other) for other in book.listed(draft.model)):
        raise InvalidRequestError(COLLISION)
    changed = book.with_announced([added])
    instant = draft.effective_from
    before = book.in_force(draft.model, draft.currency, instant)
    coming = _coming(book, draft, now)
    still_coming = {entry.price.id for entry in _coming(changed, draft, now)}
    displaced = tuple(each for each in coming if each.price.id not in still_coming)
    ends = _end_of(added, changed)
    told = (draft, ends, *(entry.price.id for part in (before, displaced) for entry in part))
    return PriceChange(
        draft=draft,
        before=before,
        after=changed.in_force(draft.model, draft.currency, instant),
        ends=ends,
        displaced=displaced,
        digest=hashlib.sha256(repr(told).encode()).hexdigest(),
    )


def announce(
    conn: Connection, prices: CurrentPrices, order: PriceOrder, announced_by: str, now: datetime
) -> AnnouncedPrice:
    """Keep the draft. InvalidRequestError when it cannot be announced, or something has changed
    since it was looked at."""
    book = prices.read(conn, now)
    change = compare(book, order, now)
    if order.digest and order.digest != change.digest:
        raise InvalidRequestError(CHANGED)
    announced = announced_price(order.draft, _window(book, order.draft), announced_by, now)
    if not keep_announced(conn, announced):
        raise InvalidRequestError(COLLISION)
    return announced


def check_order(book: PriceBook, order: PriceOrder, now: datetime) -> None:
    draft = order.draft
    if not _MODEL_NAME.fullmatch(draft.model) or draft.model not in {
        *book.models(),
        *order.models,
    }:
        raise InvalidRequestError(ODD_MODEL)
    for micros in (draft.hit_micros, draft.miss_micros, draft.output_micros):
        if not 0 <= micros <= PRICE_MICROS_MAX:
            raise InvalidRequestError(ODD_FIGURE)
    if draft.effective_from - now < LEAD_TIME:
        raise InvalidRequestError(TOO_SOON)
    ends = draft.effective_to
    if ends is not None and ends <= draft.effective_from:
        raise InvalidRequestError(ENDS_EARLY)
    if max(draft.effective_from, ends or draft.effective_from) - now > AHEAD_MAX:
        raise InvalidRequestError(TOO_FAR)
    if draft.window and draft.window not in book.windows:
        raise InvalidRequestError(ODD_HOURS)
    if len(draft.note) > NOTE_LENGTH_MAX or not draft.note.isprintable():
        raise InvalidRequestError(ODD_NOTE)


def _window(book: PriceBook, draft: PriceDraft) -> PriceWindow | None:
    return book.windows[draft.window] if draft.window else None


def _end_of(added: ListedPrice, changed: PriceBook) -> datetime | None:
    for period in timeline(changed, added.price.model, added.price.currency):
        if period.entry is added:
            return period.ends
    raise AssertionError("an operator's newest word is covered by nothing when it begins")


def _coming(book: PriceBook, draft: PriceDraft, now: datetime) -> list[ListedPrice]:
    periods = timeline(book, draft.model, draft.currency)
    return [each.entry for each in periods if each.is_coming(now)]


ODD_MODEL = "Nobody is charged by that model name."
ODD_FIGURE = (
    "A price is written like 0.28: from 0 to 1000000 per million tokens, with at most six decimal "
    "places."
)
ODD_INSTANT = "An instant is written like 2027-01-31 16:00, and is meant in UTC."
TOO_SOON = "A price is announced at least five minutes before it is in force."
ENDS_EARLY = "The price would end before it begins."
TOO_FAR = "A price is announced at most ten years ahead."
ODD_HOURS = "There is no rule for hours of that name."
ODD_NOTE = "A remark is one line of at most 200 characters."
COLLISION = (
    "Another price of this model and currency begins at the same instant. Withdraw that one, or "
    "choose another instant."
)
CHANGED = "The prices have changed since. Please look at them again."
