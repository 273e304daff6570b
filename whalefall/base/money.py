"""Money is an integer count of nanos: 1e-9 of a CNY or a USD. No float ever touches an amount."""

from __future__ import annotations

import enum
from decimal import ROUND_DOWN, Decimal, InvalidOperation

NANOS_PER_UNIT = 1_000_000_000
MAX_AMOUNT_NANOS = 9_000_000_000 * NANOS_PER_UNIT
"""Nine billion units: the largest amount taken in, safely inside a BIGINT."""


class Currency(enum.StrEnum):
    CNY = "CNY"
    USD = "USD"


def nanos_from_text(text: str) -> int:
    """Parse a decimal such as `12.50` into nanos.

    Raises ValueError for anything that is not a plain finite decimal with at most nine places
    and a magnitude of at most nine billion.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount; write it like 12.50") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite amount")
    if abs(value) > MAX_AMOUNT_NANOS // NANOS_PER_UNIT:
        raise ValueError(f"{text!r} is larger than any amount this platform handles")
    nanos = value * NANOS_PER_UNIT
    if nanos != nanos.to_integral_value():
        raise ValueError(f"{text!r} has more than nine decimal places")
    return int(nanos)


def text_from_nanos(nanos: int, places: int = 2) -> str:
    """Write nanos as a decimal string with `places` decimals, rounded towards zero, so that a
    shown balance never promises more than there is."""
    value = Decimal(nanos) / NANOS_PER_UNIT
    return f"{value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_DOWN):f}"
