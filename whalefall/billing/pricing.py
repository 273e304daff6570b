"""What tokens cost. Integers from end to end, and pure: no clock, no database.

A price is in micro-units of a currency per million tokens, that is in picos (1e-12) per token. So
tokens times price is an exact integer of picos; it is rounded once per charge, half to even, to
nanos (1e-9). Which price applies is decided by the instant a request was received."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from whalefall.base.money import Currency

PRICE_RULE = "request_received"
"""Stored with every charge: the price in force when the request was received covers all of it."""

PICOS_PER_NANO = 1000
PRICE_MICROS_MAX = 1_000_000_000_000
"""A million units per million tokens."""
NUM_TOKENS_MAX = 1_000_000_000
_NUM_DECIMALS = 6
_NUM_CHARACTERS_TOLD = 40
_PRICE_TEXT = re.compile(r"([0-9]{1,30})(?:\.([0-9]{0,60}))?")


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-units of the currency per million tokens, by kind of token."""

    id: str
    model: str
    currency: Currency
    hit_micros: int
    miss_micros: int
    output_micros: int

    def __post_init__(self) -> None:
        for micros in (self.hit_micros, self.miss_micros, self.output_micros):
            if not 0 <= micros <= PRICE_MICROS_MAX:
                raise ValueError(f"price {self.id}: {micros} micro-units are out of range")


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens as the engine counted them. Reasoning is part of the output."""

    hit: int
    """Prompt tokens found in the prefix cache."""
    miss: int
    output: int

    def __post_init__(self) -> None:
        for count in (self.hit, self.miss, self.output):
            if isinstance(count, bool) or not 0 <= count <= NUM_TOKENS_MAX:
                raise ValueError(f"{count} is not a count of tokens")

    @classmethod
    def counted(cls, num_prompt: int, num_cached: int | None, num_output: int) -> TokenCounts:
        """From what a back end reports. A cached count that cannot be true (absent, negative,
        above the prompt) is taken as none: nobody gets the low price by mistake."""
        is_plausible = num_cached is not None and 0 <= num_cached <= num_prompt
        hit = num_cached if is_plausible and num_cached is not None else 0
        return cls(hit=hit, miss=num_prompt - hit, output=num_output)


def cost_nanos(price: Price, counts: TokenCounts) -> int:
    """The exact cost, rounded half to even to nanos."""
    picos = (
        counts.hit * price.hit_micros
        + counts.miss * price.miss_micros
        + counts.output * price.output_micros
    )
    nanos, rest = divmod(picos, PICOS_PER_NANO)
    half = PICOS_PER_NANO // 2
    is_up = rest > half or (rest == half and nanos % 2 == 1)
    return nanos + is_up


def worst_case_nanos(price: Price, num_prompt: int, num_output_max: int) -> int:
    """No charge for this prompt and at most so much output exceeds this: every prompt token at
    the dearer of its two prices, rounded up."""
    prompt_micros = max(price.hit_micros, price.miss_micros)
    picos = num_prompt * prompt_micros + num_output_max * price.output_micros
    return -(-picos // PICOS_PER_NANO)


def minimum_nanos(price: Price, num_prompt: int) -> int:
    """What must be there before work starts: the prompt and one token of output."""
    return worst_case_nanos(price, num_prompt, 1)


def affordable_output_tokens(price: Price, num_prompt: int, held_nanos: int) -> int:
    """How many output tokens a hold surely pays for, beside the prompt at its worst."""
    prompt_picos = num_prompt * max(price.hit_micros, price.miss_micros)
    rest = held_nanos * PICOS_PER_NANO - prompt_picos
    if rest < 0:
        return 0
    if price.output_micros == 0:
        return NUM_TOKENS_MAX
    return min(rest // price.output_micros, NUM_TOKENS_MAX)


def micros_from_text(text: str) -> int:
    """A price per million tokens such as `0.003625`, in micro-units. At most six decimals that are
    not zero, plain digits and no exponent, or ValueError. Nothing is rounded on the way."""
    match = _PRICE_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{shortened(text)!r} is not a price; write it like 0.28")
    decimals = (match[2] or "").rstrip("0")
    if len(decimals) > _NUM_DECIMALS:
        raise ValueError(f"{shortened(text)!r} has more than six decimal places")
    micros = int(match[1] + decimals.ljust(_NUM_DECIMALS, "0"))
    if micros > PRICE_MICROS_MAX:
        raise ValueError(f"{shortened(text)!r} is not a price between 0 and 1000000")
    return micros


def shortened(text: str) -> str:
    """For a message, where somebody may have typed a thousand digits."""
    return text if len(text) <= _NUM_CHARACTERS_TOLD else text[:_NUM_CHARACTERS_TOLD] + "…"


def text_from_micros(micros: int) -> str:
    """The shortest decimal per million tokens: 28000 is `0.028`."""
    return f"{Decimal(micros).scaleb(-6).normalize():f}"
