"""Yuan as the providers write them, `88.80`: exact, or refused."""

from __future__ import annotations

import re

from whalefall.billing.payments.base import minor_units_from_nanos, nanos_from_minor_units

_AMOUNT = re.compile(r"(-?)(\d{1,10})(?:\.(\d{1,2}))?")


def yuan_from_nanos(nanos: int) -> str:
    fen = minor_units_from_nanos(nanos)
    return f"{fen // 100}.{fen % 100:02}"


def nanos_from_yuan(text: str) -> int:
    """ValueError for anything but a plain amount of at most two places."""
    found = _AMOUNT.fullmatch(text)
    if not found or not text.isascii():
        raise ValueError(f"{text!r} is not an amount in yuan")
    sign, whole, places = found.groups()
    fen = int(whole) * 100 + int((places or "").ljust(2, "0"))
    return nanos_from_minor_units(-fen if sign else fen)
