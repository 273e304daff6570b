"""What a proof of the books reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    check: str
    subject: str
    """The row's id, or what the figure is about."""
    expected: str
    found: str
