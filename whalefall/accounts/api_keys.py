"""API keys: made once, shown once, stored only as a digest."""

from __future__ import annotations

from dataclasses import dataclass

from whalefall.base.money import Currency


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as proven by an API key."""

    user_id: str
    api_key_id: str
    api_key_name: str
    masked_key: str
    currency: Currency
