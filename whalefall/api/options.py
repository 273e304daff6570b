"""The wire's own limits and switches, as plain values. app.py fills them from the settings; nothing
here knows where they come from."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Era(enum.StrEnum):
    """Which generation of the real API is imitated where the two differ."""

    V3_2 = "v3.2"
    """2025-09 to 2026-04: every body is application/json."""
    V4 = "v4"
    """From 2026-04-24: plain text where the gateway or the body parser answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireOptions:
    era: Era = Era.V3_2
    comparisons: tuple[str, ...] = ()
    """First path segments of the dated comparison endpoints that are configured."""
    body_bytes_max: int = 16 * 1024 * 1024
    body_values_max: int = 500_000
    """Commas and opening brackets in one body: bounds what parsing it can cost in memory."""
    body_timeout_seconds: float = 60.0
    """From the head of a request to the last byte of its body."""
    write_timeout_seconds: float = 60.0
    """How long a client may leave the connection's write buffer full."""
    enforces_reasoner_order: bool = False
    """The turn-order rules `deepseek-reasoner` had before 2025-05."""
