"""A day as a number, the way tables of daily sums keep it: 20260131. Sorts and compares as days do,
on both databases, without a time zone in sight."""

from __future__ import annotations

from datetime import date


def number_from_day(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def day_from_number(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)
