"""What the sandbox's providers do with refunds, chosen on their pages and by tests."""

from __future__ import annotations

import enum


class RefundCourse(enum.StrEnum):
    AT_ONCE = "at once"
    LATE = "late"
    """Taken now, done later."""
    FAILS_LATE = "fails late"
    """Taken now, given up later; Alipay knows no such course and refuses at once."""
    REFUSED = "refused"
    """A final no."""
    NO_FUNDS = "no funds"
    """The merchant's account cannot pay for it now."""
