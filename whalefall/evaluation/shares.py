"""How many of how many, and what that says about the share behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z = 1.959964
"""95 % of a normal distribution lies within so many standard deviations."""


@dataclass(frozen=True)
class Share:
    right: int
    asked: int

    @property
    def rate(self) -> float:
        return self.right / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval, 95 % (E. B. Wilson, 1927): honest for few cases and at 100 %."""
        if not self.asked:
            return 0.0, 1.0
        n, p, z2 = self.asked, self.rate, _Z * _Z
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)

    def as_record(self) -> dict[str, float | int]:
        low, high = self.interval
        return {
            "right": self.right,
            "asked": self.asked,
            "rate": round(self.rate, 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }
