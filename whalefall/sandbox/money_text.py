"""Yuan as the sandbox's providers write and read them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def yuan_from_fen(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02}"


def fen_from_yuan(text: str) -> int:
    """ValueError for what is no amount of at most two places."""
    try:
        fen = Decimal(text) * 100
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    if not fen.is_finite() or fen != fen.to_integral_value():
        raise ValueError(f"{text!r} is not an amount of whole fen")
    return int(fen)
