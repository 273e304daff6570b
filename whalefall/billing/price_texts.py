"""A draft of a price as people and programs write it: texts, so that no figure is ever a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.announced_prices import PriceDraft
from whalefall.billing.price_changes import ODD_FIGURE, ODD_INSTANT
from whalefall.billing.pricing import micros_from_text

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)


@dataclass(frozen=True, slots=True)
class PriceTexts:
    model: str
    currency: Currency
    hit: str
    miss: str
    output: str
    effective_from: str
    effective_to: str = ""
    window: str = ""
    note: str = ""


def draft_from_texts(texts: PriceTexts) -> PriceDraft:
    """InvalidRequestError where a figure or an instant is none."""
    try:
        hit, miss, output = map(micros_from_text, (texts.hit, texts.miss, texts.output))
    except ValueError:
        raise InvalidRequestError(ODD_FIGURE) from None
    return PriceDraft(
        model=texts.model,
        currency=texts.currency,
        hit_micros=hit,
        miss_micros=miss,
        output_micros=output,
        effective_from=instant_from_text(texts.effective_from),
        effective_to=instant_from_text(texts.effective_to) if texts.effective_to else None,
        window=texts.window,
        note=texts.note.strip(),
    )


def instant_from_text(text: str) -> datetime:
    """`2027-01-31 16:00`, in UTC unless it says otherwise. InvalidRequestError."""
    if not _INSTANT.fullmatch(text):
        raise InvalidRequestError(ODD_INSTANT)
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequestError(ODD_INSTANT) from None
