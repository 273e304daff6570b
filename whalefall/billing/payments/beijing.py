"""Beijing's clock, which both Chinese providers go by: no summer time since 1991."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
STATEMENT_READY_AT = time(10)
"""When the providers promise the books of the day before."""


def statement_ready_at(day: date) -> datetime:
    """Before that, an empty answer says nothing about the day."""
    return datetime.combine(day + timedelta(days=1), STATEMENT_READY_AT, BEIJING)
